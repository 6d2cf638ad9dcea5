/* The compiled core of the recorder: the usual row's way into a slot, and what needs the system more closely than
 * Python can.
 *
 *   crc32c(data, value=0)                 CRC-32C, by the processor's own instruction where it has one
 *   fill_checks, read_checks              check words of many slots at once, without the interpreter's lock
 *   populate(buffer, start, length)       fault pages in for writing, without the interpreter's lock
 *   Guard(buffer)                         catches SIGBUS in a mapped file: the process lives, the guard is broken
 *   Slots(buffer, guard, ...)             hands out the slots of a segment
 *   Log(...).log                          Monitor.log
 *
 * Whatever is not usual is handed to the general way in Python, nothing having been changed. Between taking a slot and
 * the end of its bytes no Python code runs and the interpreter's lock is held, so that nothing comes in between but
 * the end of the process. The bytes are those of compiled.py and format.py; docs/journal.md says them in words.
 *
 * Built for the limited API of Python 3.11, so that one build serves all later versions.
 */
#define PY_SSIZE_T_CLEAN
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030B0000
#endif
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <Python.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the journal is little endian, and the core writes it as the machine does"
#endif

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

#define REVISION 1 /* counted up with each change that Python sees: a build left behind by an older one is not used */

typedef uint64_t u64;

/* ---------------------------------------------------------------------------------------------- CRC-32C */

static uint32_t tables[8][256];

static void
make_tables(void)
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t value = i;
        for (int bit = 0; bit < 8; bit++) {
            value = (value >> 1) ^ (value & 1 ? 0x82F63B78u : 0);
        }
        tables[0][i] = value;
    }
    for (int k = 1; k < 8; k++) {
        for (int i = 0; i < 256; i++) {
            tables[k][i] = (tables[k - 1][i] >> 8) ^ tables[0][tables[k - 1][i] & 0xFF];
        }
    }
}

static uint32_t
crc_by_table(uint32_t state, const unsigned char *data, size_t n)
{
    for (; n >= 8; n -= 8, data += 8) {
        uint32_t low, high;
        memcpy(&low, data, 4);
        memcpy(&high, data + 4, 4);
        low ^= state;
        state = tables[7][low & 0xFF] ^ tables[6][low >> 8 & 0xFF] ^ tables[5][low >> 16 & 0xFF] ^
                tables[4][low >> 24] ^ tables[3][high & 0xFF] ^ tables[2][high >> 8 & 0xFF] ^
                tables[1][high >> 16 & 0xFF] ^ tables[0][high >> 24];
    }
    for (; n; n--) {
        state = tables[0][(state ^ *data++) & 0xFF] ^ (state >> 8);
    }
    return state;
}

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t
crc_by_instruction(uint32_t state, const unsigned char *data, size_t n)
{
    u64 wide = state;
    for (; n >= 8; n -= 8, data += 8) {
        u64 word;
        memcpy(&word, data, 8);
        wide = __builtin_ia32_crc32di(wide, word);
    }
    state = (uint32_t)wide;
    for (; n; n--) {
        state = __builtin_ia32_crc32qi(state, *data++);
    }
    return state;
}

static int
has_instruction(void)
{
    unsigned int a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_SSE4_2);
}
#elif defined(__aarch64__) && defined(__linux__)
__attribute__((target("+crc"))) static uint32_t
crc_by_instruction(uint32_t state, const unsigned char *data, size_t n)
{
    for (; n >= 8; n -= 8, data += 8) {
        u64 word;
        memcpy(&word, data, 8);
        state = __builtin_aarch64_crc32cx(state, word);
    }
    for (; n; n--) {
        state = __builtin_aarch64_crc32cb(state, *data++);
    }
    return state;
}

static int
has_instruction(void)
{
    return (getauxval(AT_HWCAP) & (1 << 7)) != 0; /* HWCAP_CRC32 */
}
#else
#define crc_by_instruction crc_by_table
static int
has_instruction(void)
{
    return 0;
}
#endif

static uint32_t (*crc_state)(uint32_t, const unsigned char *, size_t) = crc_by_table;

static inline u64
check_word(const unsigned char *data, size_t n)
{
    u64 crc = crc_state(0xFFFFFFFFu, data, n) ^ 0xFFFFFFFFu;
    return crc | (crc ^ 0xFFFFFFFFu) << 32; /* never zero, which says that there is none */
}

static PyObject *
core_crc32c(PyObject *module, PyObject *args)
{
    (void)module;
    Py_buffer view;
    unsigned int value = 0;
    if (!PyArg_ParseTuple(args, "y*|I:crc32c", &view, &value)) {
        return NULL;
    }
    uint32_t state = value ^ 0xFFFFFFFFu;
    if (view.len > 65536) {
        Py_BEGIN_ALLOW_THREADS
        state = crc_state(state, view.buf, (size_t)view.len);
        Py_END_ALLOW_THREADS
    }
    else {
        state = crc_state(state, view.buf, (size_t)view.len);
    }
    PyBuffer_Release(&view);
    return PyLong_FromUnsignedLong(state ^ 0xFFFFFFFFu);
}

/* The slots of a segment as the two functions below are told of them. */
typedef struct {
    Py_buffer view;
    Py_ssize_t at, slot, check_at, n;
    u64 first;
} Span;

static int
span_of(PyObject *args, Span *span, int flags, const char *format)
{
    PyObject *buffer;
    unsigned long long first;
    if (!PyArg_ParseTuple(args, format, &buffer, &span->at, &span->slot, &span->check_at, &first, &span->n)) {
        return -1;
    }
    if (PyObject_GetBuffer(buffer, &span->view, flags) < 0) {
        return -1;
    }
    span->first = first;
    if (span->at < 0 || span->n < 0 || span->check_at < 8 || span->check_at > span->slot - 16 ||
        span->at > span->view.len || span->n > (span->view.len - span->at) / span->slot) {
        PyBuffer_Release(&span->view);
        PyErr_SetString(PyExc_ValueError, "the slots lie outside the buffer");
        return -1;
    }
    return 0;
}

static PyObject *
core_fill_checks(PyObject *module, PyObject *args)
{
    (void)module;
    Span span;
    if (span_of(args, &span, PyBUF_WRITABLE, "OnnnKn:fill_checks") < 0) {
        return NULL;
    }
    Py_ssize_t filled = 0;
    Py_BEGIN_ALLOW_THREADS
    for (Py_ssize_t i = 0; i < span.n; i++) {
        unsigned char *slot = (unsigned char *)span.view.buf + span.at + i * span.slot;
        u64 lead, check, trail, sequence = span.first + (u64)i;
        memcpy(&trail, slot + span.slot - 8, 8);
        memcpy(&lead, slot, 8);
        memcpy(&check, slot + span.check_at, 8);
        if (check == 0 && lead == sequence && trail == sequence) {
            check = check_word(slot, (size_t)span.check_at);
            memcpy(slot + span.check_at, &check, 8);
            filled++;
        }
    }
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&span.view);
    return PyLong_FromSsize_t(filled);
}

static PyObject *
core_read_checks(PyObject *module, PyObject *args)
{
    (void)module;
    Span span;
    if (span_of(args, &span, PyBUF_SIMPLE, "OnnnKn:read_checks") < 0) {
        return NULL;
    }
    PyObject *found = PyBytes_FromStringAndSize(NULL, span.n);
    if (found != NULL) {
        char *out = PyBytes_AsString(found);
        Py_BEGIN_ALLOW_THREADS
        for (Py_ssize_t i = 0; i < span.n; i++) {
            const unsigned char *slot = (const unsigned char *)span.view.buf + span.at + i * span.slot;
            u64 check;
            memcpy(&check, slot + span.check_at, 8);
            out[i] = check == 0 ? 0 : check == check_word(slot, (size_t)span.check_at) ? 1 : 2;
        }
        Py_END_ALLOW_THREADS
    }
    PyBuffer_Release(&span.view);
    return found;
}

static PyObject *
core_populate(PyObject *module, PyObject *args)
{
    (void)module;
    Py_buffer view;
    Py_ssize_t start, length;
    if (!PyArg_ParseTuple(args, "w*nn:populate", &view, &start, &length)) {
        return NULL;
    }
    int problem = 0;
    if (start < 0 || length < 0 || start > view.len || length > view.len - start) {
        PyBuffer_Release(&view);
        PyErr_SetString(PyExc_ValueError, "the range lies outside the buffer");
        return NULL;
    }
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    uintptr_t from = ((uintptr_t)view.buf + (uintptr_t)start) & ~(page - 1);
    uintptr_t to = ((uintptr_t)view.buf + (uintptr_t)(start + length) + page - 1) & ~(page - 1);
    Py_BEGIN_ALLOW_THREADS
    if (to > from && madvise((void *)from, to - from, MADV_POPULATE_WRITE) != 0) {
        problem = errno;
    }
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&view);
    return PyLong_FromLong(problem);
}

/* ------------------------------------------------------------------------------------------------ Guard */

/* Ranges that the handler of SIGBUS may find itself in. Entries are written under the interpreter's lock and read by the
 * handler at any instant: the end is stored last and cleared first. */
#define RANGES 4096
typedef struct {
    _Atomic uintptr_t start, end;
    atomic_int broken;
} Range;
static Range ranges[RANGES];
static atomic_int n_ranges;
static struct sigaction handed_on;
static atomic_int handing_on; /* a handler that hands back to us, as faulthandler does, would never come to an end */
static uintptr_t page_bytes;

static void
on_bus_error(int number, siginfo_t *info, void *context)
{
    int saved = errno;
    uintptr_t at = (uintptr_t)info->si_addr;
    int n = atomic_load(&n_ranges);
    for (int i = 0; i < n; i++) {
        uintptr_t end = atomic_load(&ranges[i].end), start = atomic_load(&ranges[i].start);
        if (end && start <= at && at < end) {
            uintptr_t page = at & ~(page_bytes - 1);
            void *got = mmap((void *)page, end - page, PROT_READ | PROT_WRITE,
                             MAP_FIXED | MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (got != MAP_FAILED) {
                atomic_store(&ranges[i].broken, 1);
                errno = saved;
                return; /* the store is done again, into memory that nobody will read */
            }
        }
    }
    errno = saved;
    if (atomic_fetch_add(&handing_on, 1) > 0) {
        signal(SIGBUS, SIG_DFL);
        return;
    }
    if (handed_on.sa_flags & SA_SIGINFO) {
        if (handed_on.sa_sigaction != NULL) {
            handed_on.sa_sigaction(number, info, context);
            atomic_store(&handing_on, 0);
            return;
        }
    }
    else if (handed_on.sa_handler != SIG_DFL && handed_on.sa_handler != SIG_IGN) {
        handed_on.sa_handler(number);
        atomic_store(&handing_on, 0);
        return;
    }
    /* not ours, and nobody else's: let it happen again as if we were not there */
    sigaction(SIGBUS, &handed_on, NULL);
    atomic_store(&handing_on, 0);
}

/* Have the handler in place; -1 where it cannot be. Another handler that came later keeps its place, and ours stays
 * with whom it hands on to. */
static int
install_handler(void)
{
    struct sigaction now, ours;
    if (sigaction(SIGBUS, NULL, &now) != 0) {
        return -1;
    }
    if ((now.sa_flags & SA_SIGINFO) && now.sa_sigaction == on_bus_error) {
        return 0;
    }
    handed_on = now;
    memset(&ours, 0, sizeof ours);
    ours.sa_sigaction = on_bus_error;
    ours.sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER;
    sigemptyset(&ours.sa_mask);
    return sigaction(SIGBUS, &ours, NULL);
}

typedef struct {
    PyObject_HEAD
    Py_buffer view;
    Range *range;
} Guard;

static PyObject *
guard_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *buffer;
    static char *names[] = {"buffer", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:Guard", names, &buffer)) {
        return NULL;
    }
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Guard *self = (Guard *)alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    if (PyObject_GetBuffer(buffer, &self->view, PyBUF_WRITABLE) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    if (install_handler() != 0) {
        PyErr_SetFromErrno(PyExc_OSError);
        Py_DECREF(self);
        return NULL;
    }
    for (int i = 0; i < RANGES; i++) {
        if (atomic_load(&ranges[i].end) == 0) {
            self->range = &ranges[i];
            atomic_store(&self->range->broken, 0);
            atomic_store(&self->range->start, (uintptr_t)self->view.buf);
            atomic_store(&self->range->end,
                         ((uintptr_t)self->view.buf + (uintptr_t)self->view.len + page_bytes - 1) & ~(page_bytes - 1));
            if (i >= atomic_load(&n_ranges)) {
                atomic_store(&n_ranges, i + 1);
            }
            return (PyObject *)self;
        }
    }
    PyErr_Format(PyExc_OSError, "more than %d mapped files", RANGES);
    Py_DECREF(self);
    return NULL;
}

static void
guard_let_go(Guard *self)
{
    if (self->range != NULL) {
        atomic_store(&self->range->end, 0);
        self->range = NULL;
    }
    if (self->view.obj != NULL) {
        PyBuffer_Release(&self->view);
    }
}

static PyObject *
guard_release(PyObject *self, PyObject *unused)
{
    (void)unused;
    guard_let_go((Guard *)self);
    Py_RETURN_NONE;
}

static void
guard_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    guard_let_go((Guard *)self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyObject *
guard_broken(PyObject *self, void *closure)
{
    (void)closure;
    Range *range = ((Guard *)self)->range;
    return PyBool_FromLong(range != NULL && atomic_load(&range->broken));
}

static PyGetSetDef guard_getset[] = {
    {"broken", guard_broken, NULL, "True once a store did not reach the file.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyMethodDef guard_methods[] = {
    {"release", guard_release, METH_NOARGS, "Let the buffer go; it is not guarded any more."},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot guard_slots[] = {
    {Py_tp_doc, "Keeps a SIGBUS in a mapped file from the process: the pages are replaced, and the guard is broken."},
    {Py_tp_new, guard_new},
    {Py_tp_dealloc, guard_dealloc},
    {Py_tp_methods, guard_methods},
    {Py_tp_getset, guard_getset},
    {0, NULL},
};
static PyType_Spec guard_spec = {"vedette.capture._core.Guard", sizeof(Guard), 0, Py_TPFLAGS_DEFAULT, guard_slots};

/* ------------------------------------------------------------------------------------------------ Slots */

typedef struct {
    PyObject_HEAD
    Py_buffer view;
    PyObject *guard; /* keeps the range */
    Range *range;
    Py_ssize_t at, slot;
    u64 first, limit, next, stopped; /* stopped: the first sequence that was not handed out, once stop() was called */
    int is_stopped;
} Slots;

static PyTypeObject *guard_type; /* of the first module made: one interpreter, or several that share one lock */

static PyObject *
slots_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *buffer, *guard;
    Py_ssize_t at, slot;
    unsigned long long first, limit;
    static char *names[] = {"buffer", "guard", "at", "slot_bytes", "first", "limit", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOnnKK:Slots", names, &buffer, &guard, &at, &slot, &first,
                                     &limit)) {
        return NULL;
    }
    if (Py_TYPE(guard) != guard_type || ((Guard *)guard)->range == NULL) {
        PyErr_SetString(PyExc_TypeError, "guard: must be a Guard that was not released");
        return NULL;
    }
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Slots *self = (Slots *)alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    if (PyObject_GetBuffer(buffer, &self->view, PyBUF_WRITABLE) < 0) {
        Py_DECREF(self);
        return NULL;
    }
    if (at < 0 || slot < 40 || slot % 8 || at % 8 || limit < first || at > self->view.len ||
        limit - first > (u64)((self->view.len - at) / slot)) {
        PyErr_SetString(PyExc_ValueError, "the slots lie outside the buffer");
        Py_DECREF(self);
        return NULL;
    }
    Py_INCREF(guard);
    self->guard = guard;
    self->range = ((Guard *)guard)->range;
    self->at = at;
    self->slot = slot;
    self->first = self->next = first;
    self->limit = limit;
    return (PyObject *)self;
}

static void
slots_let_go(Slots *self)
{
    self->limit = self->next; /* nothing more is handed out */
    self->range = NULL;
    if (self->view.obj != NULL) {
        PyBuffer_Release(&self->view);
    }
    Py_CLEAR(self->guard);
}

static void
slots_dealloc(PyObject *self)
{
    PyTypeObject *type = Py_TYPE(self);
    slots_let_go((Slots *)self);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(self);
    Py_DECREF(type);
}

static PyObject *
slots_iter(PyObject *self)
{
    Py_INCREF(self);
    return self;
}

static PyObject *
slots_iternext(PyObject *object)
{
    Slots *self = (Slots *)object;
    if (self->next >= self->limit || self->view.obj == NULL) {
        return NULL;
    }
    /* the answer is made before the slot is taken: what cannot be made takes none */
    u64 sequence = self->next;
    Py_ssize_t offset = self->at + (Py_ssize_t)(sequence - self->first) * self->slot;
    PyObject *answer = Py_BuildValue("(KnO)", (unsigned long long)sequence, offset, self->view.obj);
    if (answer != NULL) {
        if (self->next != sequence) { /* the collector ran while it was made, and a finaliser that logs with it */
            Py_DECREF(answer);
            return slots_iternext(object);
        }
        self->next = sequence + 1;
    }
    return answer;
}

static PyObject *
slots_stop(PyObject *object, PyObject *unused)
{
    (void)unused;
    Slots *self = (Slots *)object;
    if (!self->is_stopped) {
        self->is_stopped = 1;
        self->stopped = self->next;
        self->limit = self->next;
    }
    return PyLong_FromUnsignedLongLong(self->stopped);
}

static PyObject *
slots_release(PyObject *self, PyObject *unused)
{
    (void)unused;
    slots_let_go((Slots *)self);
    Py_RETURN_NONE;
}

static PyObject *
slots_next(PyObject *self, void *closure)
{
    (void)closure;
    return PyLong_FromUnsignedLongLong(((Slots *)self)->next);
}

static PyGetSetDef slots_getset[] = {
    {"next", slots_next, NULL, "The sequence that is handed out next.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyMethodDef slots_methods[] = {
    {"stop", slots_stop, METH_NOARGS, "Hand out no more; return the first sequence that was not."},
    {"release", slots_release, METH_NOARGS, "Let the buffer go."},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot slots_slots[] = {
    {Py_tp_doc, "The slots of a segment, each handed out once: an iterator of (sequence, offset, buffer)."},
    {Py_tp_new, slots_new},
    {Py_tp_dealloc, slots_dealloc},
    {Py_tp_iter, slots_iter},
    {Py_tp_iternext, slots_iternext},
    {Py_tp_methods, slots_methods},
    {Py_tp_getset, slots_getset},
    {0, NULL},
};
static PyType_Spec slots_spec = {"vedette.capture._core.Slots", sizeof(Slots), 0, Py_TPFLAGS_DEFAULT, slots_slots};

/* -------------------------------------------------------------------------------------------------- Log */

enum Kind { FLOAT64, INT64, UINT64, BOOLEAN, TEXT, BYTES, TIMESTAMP, VECTOR32, VECTOR64, NOTHING, N_KINDS };

/* One column of a row: where its value goes, and what is said of it in the flags where it is null. */
typedef struct {
    PyObject *key; /* a feature's name or a class, as the caller spells it */
    int kind;
    int alone; /* the only type of its column: then a number that fits without loss is taken */
    Py_ssize_t at;
    Py_ssize_t length; /* elements of a vector */
    int word;
    u64 null;
} Column;

/* Keys in the order in which the last mapping had them, and the column of each. */
typedef struct {
    Column *columns;
    Py_ssize_t n;
    PyObject **keys;
    Py_ssize_t *places;
} Mapping;

enum { PREDICTION, PROBABILITY, LATENCY, N_SCALARS };

/* A layout as the core reads it; it never changes. */
typedef struct {
    PyObject_HEAD
    Mapping features, classes;
    Column scalars[N_SCALARS];
    int words;
    u64 *flags; /* of a row in which nothing is null but the id and the further types of columns */
    Py_ssize_t slot, check_at, id_at; /* id_at is 0 where slots have no room for an id */
} Plan;

#define SLOT_BYTES_MAX 8192 /* wider rows go the general way: they lie on the stack here */
#define ID_BYTES_MAX 39

static PyTypeObject *plan_type, *slots_type;

static void
mapping_clear(Mapping *mapping)
{
    for (Py_ssize_t i = 0; i < mapping->n; i++) {
        if (mapping->columns != NULL) {
            Py_CLEAR(mapping->columns[i].key);
        }
        if (mapping->keys != NULL) {
            Py_CLEAR(mapping->keys[i]);
        }
    }
    PyMem_Free(mapping->columns);
    PyMem_Free(mapping->keys);
    PyMem_Free(mapping->places);
    memset(mapping, 0, sizeof *mapping);
}

static void
plan_dealloc(PyObject *object)
{
    Plan *self = (Plan *)object;
    PyTypeObject *type = Py_TYPE(object);
    mapping_clear(&self->features);
    mapping_clear(&self->classes);
    PyMem_Free(self->flags);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

/* (key, kind, alone, at, length, null bit) */
static int
read_column(PyObject *tuple, Column *column)
{
    int bit;
    PyObject *key;
    if (!PyArg_ParseTuple(tuple, "Oipnni:column", &key, &column->kind, &column->alone, &column->at, &column->length,
                          &bit)) {
        return -1;
    }
    if (column->kind < 0 || column->kind >= N_KINDS) {
        PyErr_SetString(PyExc_ValueError, "no such kind");
        return -1;
    }
    column->word = bit / 64;
    column->null = (u64)1 << (bit % 64);
    Py_INCREF(key);
    column->key = key;
    return 0;
}

static int
read_mapping(PyObject *list, Mapping *mapping)
{
    Py_ssize_t n = PyList_Size(list);
    if (n < 0) {
        return -1;
    }
    mapping->columns = PyMem_Calloc((size_t)n + 1, sizeof(Column));
    mapping->keys = PyMem_Calloc((size_t)n + 1, sizeof(PyObject *));
    mapping->places = PyMem_Calloc((size_t)n + 1, sizeof(Py_ssize_t));
    if (mapping->columns == NULL || mapping->keys == NULL || mapping->places == NULL) {
        PyErr_NoMemory();
        return -1;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        if (read_column(PyList_GetItem(list, i), &mapping->columns[i]) < 0) {
            return -1;
        }
        mapping->n = i + 1;
        mapping->keys[i] = mapping->columns[i].key;
        Py_INCREF(mapping->keys[i]);
        mapping->places[i] = i;
    }
    return 0;
}

static int
column_fits(const Plan *plan, const Column *column)
{
    Py_ssize_t width = column->kind == VECTOR32   ? 4 * column->length
                       : column->kind == VECTOR64 ? 8 * column->length
                                                  : 8;
    return column->kind == NOTHING || (column->at >= 24 && column->length >= 0 &&
                                       column->at <= plan->check_at - width && column->word < plan->words);
}

static PyObject *
plan_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *features, *classes, *scalars, *flags;
    Py_ssize_t slot, check_at, id_at;
    static char *names[] = {"features", "classes", "scalars", "flags", "slot_bytes", "check_at", "id_at", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOOnnn:Plan", names, &features, &classes, &scalars, &flags, &slot,
                                     &check_at, &id_at)) {
        return NULL;
    }
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Plan *self = (Plan *)alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    self->slot = slot;
    self->check_at = check_at;
    self->id_at = id_at;
    if (read_mapping(features, &self->features) < 0 || read_mapping(classes, &self->classes) < 0) {
        goto failed;
    }
    Py_ssize_t words = PyList_Size(flags);
    if (words < 1 || PyList_Size(scalars) != N_SCALARS) {
        goto wrong;
    }
    self->words = (int)words;
    self->flags = PyMem_Calloc((size_t)words, sizeof(u64));
    if (self->flags == NULL) {
        PyErr_NoMemory();
        goto failed;
    }
    for (Py_ssize_t i = 0; i < words; i++) {
        self->flags[i] = PyLong_AsUnsignedLongLong(PyList_GetItem(flags, i));
    }
    if (PyErr_Occurred()) {
        goto failed;
    }
    for (int i = 0; i < N_SCALARS; i++) {
        if (read_column(PyList_GetItem(scalars, i), &self->scalars[i]) < 0) {
            goto failed;
        }
        Py_CLEAR(self->scalars[i].key); /* None: a scalar has no name */
    }
    int fits = slot % 8 == 0 && check_at == slot - 16 && check_at >= 24 + 8 * words &&
               (id_at == 0 || (id_at >= 24 && id_at <= check_at - 40));
    for (Py_ssize_t i = 0; fits && i < self->features.n; i++) {
        fits = column_fits(self, &self->features.columns[i]);
    }
    for (Py_ssize_t i = 0; fits && i < self->classes.n; i++) {
        fits = column_fits(self, &self->classes.columns[i]);
    }
    for (int i = 0; fits && i < N_SCALARS; i++) {
        fits = column_fits(self, &self->scalars[i]);
    }
    if (fits) {
        return (PyObject *)self;
    }
wrong:
    if (!PyErr_Occurred()) {
        PyErr_SetString(PyExc_ValueError, "the columns do not fit the slot");
    }
failed:
    Py_DECREF(self);
    return NULL;
}

static PyType_Slot plan_slots[] = {
    {Py_tp_doc, "A layout as the core reads it."},
    {Py_tp_new, plan_new},
    {Py_tp_dealloc, plan_dealloc},
    {0, NULL},
};
static PyType_Spec plan_spec = {"vedette.capture._core.Plan", sizeof(Plan), 0, Py_TPFLAGS_DEFAULT, plan_slots};

typedef struct {
    PyObject_HEAD
    PyObject *clock; /* NULL: the system's */
    PyObject *general, *key, *fit_float, *fit_integer;
    PyObject *spilt, *entry; /* the list that rows are counted in where nothing can be called, and what goes in */
    u64 uncounted;           /* rows that not even that could be done for */
    double future_s;
    /* the segment that rows go into now; all NULL where there is none */
    Plan *plan;
    Slots *slots;
    PyObject *known, *refer;
} Log;

/* What is at hand while one row is put together: the log's state as it was when the call came in. */
typedef struct {
    Log *log;
    Plan *plan;
    Slots *slots;
    PyObject *known, *refer;
    union {
        u64 words[SLOT_BYTES_MAX / 8];
        unsigned char bytes[SLOT_BYTES_MAX];
    } row;
} Row;

static PyObject *names_of_arguments[6];

static inline void
put(Row *row, Py_ssize_t at, u64 value)
{
    memcpy(row->row.bytes + at, &value, 8);
}

static inline void
put_float(Row *row, Py_ssize_t at, double value)
{
    memcpy(row->row.bytes + at, &value, 8);
}

/* The answer of one of the helpers in Python; NULL, and no exception, where it has none for this value. */
static PyObject *
ask(PyObject *helper, PyObject *value)
{
    return PyObject_CallFunctionObjArgs(helper, value, NULL);
}

static int
put_vector(Row *row, const Column *column, PyObject *value)
{
    Py_buffer view;
    if (!PyObject_CheckBuffer(value) || PyObject_GetBuffer(value, &view, PyBUF_FORMAT | PyBUF_C_CONTIGUOUS) < 0) {
        return -1;
    }
    int taken = -1;
    const char *format = view.format == NULL ? "B" : view.format;
    Py_ssize_t size = column->kind == VECTOR32 ? 4 : 8;
    if (view.ndim == 1 && view.itemsize == size && view.len == size * column->length &&
        strcmp(format, column->kind == VECTOR32 ? "f" : "d") == 0) {
        memcpy(row->row.bytes + column->at, view.buf, (size_t)view.len);
        taken = 0;
    }
    PyBuffer_Release(&view);
    return taken;
}

/* Put one value into the row. -1, perhaps with an exception set, where the general way is to look at it. */
static int
put_value(Row *row, const Column *column, PyObject *value)
{
    switch (column->kind) {
    case FLOAT64:
        if (PyFloat_CheckExact(value)) {
            put_float(row, column->at, PyFloat_AsDouble(value));
            return 0;
        }
        break;
    case INT64:
        if (PyLong_CheckExact(value)) {
            int beyond;
            long long number = PyLong_AsLongLongAndOverflow(value, &beyond);
            put(row, column->at, (u64)number);
            return beyond ? -1 : 0;
        }
        break;
    case UINT64:
        if (PyLong_CheckExact(value)) {
            unsigned long long number = PyLong_AsUnsignedLongLong(value);
            put(row, column->at, number);
            return number == (unsigned long long)-1 && PyErr_Occurred() ? -1 : 0;
        }
        break;
    case BOOLEAN:
        if (value == Py_True || value == Py_False) {
            put(row, column->at, value == Py_True);
            return 0;
        }
        break;
    case TEXT:
    case BYTES:
        if (column->kind == TEXT ? PyUnicode_CheckExact(value) : PyBytes_CheckExact(value)) {
            PyObject *offset = NULL;
            if (column->kind == TEXT) {
                offset = PyDict_GetItemWithError(row->known, value);
                Py_XINCREF(offset);
            }
            if (offset == NULL && !PyErr_Occurred()) {
                offset = ask(row->refer, value);
            }
            if (offset == NULL) {
                return -1;
            }
            put(row, column->at, PyLong_AsUnsignedLongLong(offset));
            Py_DECREF(offset);
            return PyErr_Occurred() ? -1 : 0;
        }
        break;
    case VECTOR32:
    case VECTOR64:
        if (value != Py_None) {
            return put_vector(row, column, value);
        }
        break;
    case NOTHING:
        return value == Py_None ? 0 : -1;
    default:
        break;
    }
    if (value == Py_None) {
        row->row.words[3 + column->word] |= column->null;
        return 0;
    }
    if (!column->alone) {
        return -1; /* which of its types a number belongs to is for the general way to say */
    }
    if (column->kind == FLOAT64) {
        if (PyFloat_Check(value)) { /* numpy's float64 is one; a subclass cannot answer for its own value here */
            put_float(row, column->at, PyFloat_AsDouble(value));
            return 0;
        }
        PyObject *number = ask(row->log->fit_float, value);
        if (number == NULL) {
            return -1;
        }
        put_float(row, column->at, PyFloat_AsDouble(number));
        Py_DECREF(number);
        return PyErr_Occurred() ? -1 : 0;
    }
    if (column->kind == INT64) {
        PyObject *number = ask(row->log->fit_integer, value);
        if (number == NULL) {
            return -1;
        }
        put(row, column->at, (u64)PyLong_AsLongLong(number));
        Py_DECREF(number);
        return PyErr_Occurred() ? -1 : 0;
    }
    return -1;
}

/* The caller spells or orders its keys otherwise than the last one did: look each up, and remember the new order. */
static int
put_unordered(Row *row, Mapping *mapping, PyObject *given)
{
    for (Py_ssize_t i = 0; i < mapping->n; i++) {
        PyObject *value = PyDict_GetItemWithError(given, mapping->columns[i].key);
        if (value == NULL) {
            return -1;
        }
        Py_INCREF(value); /* converting it may run code of the caller's, which may change the mapping */
        int taken = put_value(row, &mapping->columns[i], value);
        Py_DECREF(value);
        if (taken < 0) {
            return -1;
        }
    }
    Py_ssize_t at = 0, i = 0;
    PyObject *key, *value;
    while (i < mapping->n && PyDict_Next(given, &at, &key, &value)) {
        if (!PyUnicode_CheckExact(key) && !PyLong_CheckExact(key)) {
            return 0;
        }
        Py_ssize_t place = 0;
        while (place < mapping->n) {
            int same = PyObject_RichCompareBool(key, mapping->columns[place].key, Py_EQ);
            if (same < 0) {
                PyErr_Clear();
            }
            if (same > 0) {
                break;
            }
            place++;
        }
        if (place == mapping->n) {
            return 0;
        }
        Py_INCREF(key);
        PyObject *old = mapping->keys[i];
        mapping->keys[i] = key;
        mapping->places[i++] = place;
        Py_DECREF(old); /* a plain text or integer: no code runs */
    }
    return 0;
}

static int
put_mapping(Row *row, Mapping *mapping, PyObject *given)
{
    if (!PyDict_CheckExact(given) || PyDict_Size(given) != mapping->n) {
        return -1;
    }
    Py_ssize_t at = 0, i = 0;
    PyObject *key, *value;
    while (i < mapping->n && PyDict_Next(given, &at, &key, &value)) {
        if (key != mapping->keys[i]) {
            return put_unordered(row, mapping, given);
        }
        Column *column = &mapping->columns[mapping->places[i]];
        if (column->kind == FLOAT64 && PyFloat_CheckExact(value)) {
            put_float(row, column->at, PyFloat_AsDouble(value));
        }
        else {
            Py_INCREF(value);
            int taken = put_value(row, column, value);
            Py_DECREF(value);
            if (taken < 0) {
                return -1;
            }
            if (PyDict_Size(given) != mapping->n) {
                return -1; /* converting it has changed the mapping */
            }
        }
        i++;
    }
    return i == mapping->n ? 0 : -1;
}

static int
put_id(Row *row, PyObject *id)
{
    Py_ssize_t at = row->plan->id_at;
    if (id == Py_None) {
        row->row.words[3] |= 1;
        return 0;
    }
    if (!at) {
        return -1;
    }
    Py_ssize_t n = 0;
    unsigned char *into = row->row.bytes + at;
    if (PyUnicode_CheckExact(id)) {
        const char *text = PyUnicode_AsUTF8AndSize(id, &n);
        if (text == NULL || n > ID_BYTES_MAX) {
            return -1;
        }
        memcpy(into + 1, text, (size_t)n);
    }
    else if (PyLong_CheckExact(id)) {
        int beyond;
        long long number = PyLong_AsLongLongAndOverflow(id, &beyond);
        if (beyond) {
            return -1;
        }
        char digits[24];
        u64 left = number < 0 ? 0 - (u64)number : (u64)number;
        Py_ssize_t from = sizeof digits;
        do {
            digits[--from] = (char)('0' + left % 10);
            left /= 10;
        } while (left);
        if (number < 0) {
            digits[--from] = '-';
        }
        n = (Py_ssize_t)sizeof digits - from;
        memcpy(into + 1, digits + from, (size_t)n);
    }
    else {
        PyObject *bytes = ask(row->log->key, id);
        if (bytes == NULL) {
            return -1;
        }
        char *text;
        if (PyBytes_AsStringAndSize(bytes, &text, &n) < 0 || n > ID_BYTES_MAX) {
            Py_DECREF(bytes);
            return -1;
        }
        memcpy(into + 1, text, (size_t)n);
        Py_DECREF(bytes);
    }
    into[0] = (unsigned char)n;
    return 0;
}

static int
put_scalars(Row *row, PyObject *const *arguments)
{
    Plan *plan = row->plan;
    if (put_value(row, &plan->scalars[PREDICTION], arguments[1]) < 0) {
        return -1;
    }
    PyObject *probability = arguments[2];
    if (PyDict_CheckExact(probability)) {
        /* a row gives one number or one for each class: the other has its null bit */
        if (!plan->classes.n || put_value(row, &plan->scalars[PROBABILITY], Py_None) < 0 ||
            put_mapping(row, &plan->classes, probability) < 0) {
            return -1;
        }
    }
    else {
        if (put_value(row, &plan->scalars[PROBABILITY], probability) < 0) {
            return -1;
        }
        for (Py_ssize_t i = 0; i < plan->classes.n; i++) {
            if (put_value(row, &plan->classes.columns[i], Py_None) < 0) {
                return -1;
            }
        }
    }
    return put_value(row, &plan->scalars[LATENCY], arguments[4]);
}

static int
put_times(Row *row, PyObject *given)
{
    double now;
    if (row->log->clock == NULL) {
        struct timespec time;
        clock_gettime(CLOCK_REALTIME, &time);
        now = (double)time.tv_sec + 1e-9 * (double)time.tv_nsec;
    }
    else {
        PyObject *answer = PyObject_CallNoArgs(row->log->clock);
        if (answer == NULL) {
            return -1;
        }
        now = PyFloat_AsDouble(answer);
        Py_DECREF(answer);
        if (PyErr_Occurred()) {
            return -1;
        }
    }
    double event = now;
    if (given != Py_None) {
        if (!PyFloat_CheckExact(given)) {
            return -1;
        }
        event = PyFloat_AsDouble(given);
        if (!(event >= 0.0 && event <= now + row->log->future_s)) {
            return -1;
        }
    }
    put_float(row, 8, event);
    put_float(row, 16, now);
    return 0;
}

/* Put the row into a slot; 0 once it is in the file, -1 where no slot could be had or it is not in the file. */
static int
put_slot(Row *row)
{
    Slots *slots = row->slots;
    Py_ssize_t size = row->plan->slot, check_at = row->plan->check_at;
    if (slots->next >= slots->limit || slots->view.obj == NULL || slots->slot != size ||
        atomic_load_explicit(&slots->range->broken, memory_order_relaxed)) {
        return -1;
    }
    u64 sequence = slots->next++;
    put(row, 0, sequence);
    put(row, check_at, check_word(row->row.bytes, (size_t)check_at));
    unsigned char *slot = (unsigned char *)slots->view.buf + slots->at + (Py_ssize_t)(sequence - slots->first) * size;
    memcpy(slot, row->row.bytes, (size_t)(size - 8));
    /* last: a slot whose second sequence is there is there as a whole, for a reader in another process too */
    __atomic_store_n((u64 *)(void *)(slot + size - 8), sequence, __ATOMIC_RELEASE);
    atomic_signal_fence(memory_order_seq_cst);
    return atomic_load_explicit(&slots->range->broken, memory_order_relaxed) ? -1 : 0;
}

/* The usual row; -1 where it is not one, with no exception set and no slot taken that a reader would count twice. */
static int
usual(Log *log, PyObject *const *arguments)
{
    Row row;
    if (log->plan == NULL) {
        return -1;
    }
    row.log = log;
    row.plan = log->plan;
    row.slots = log->slots;
    row.known = log->known;
    row.refer = log->refer;
    /* kept while the row is put together: code of the caller's may have another segment take their place */
    Py_INCREF((PyObject *)row.plan);
    Py_INCREF((PyObject *)row.slots);
    Py_INCREF(row.known);
    Py_INCREF(row.refer);
    Py_ssize_t head = 24 + 8 * row.plan->words;
    memcpy(row.row.words + 3, row.plan->flags, 8 * (size_t)row.plan->words);
    memset(row.row.bytes + head, 0, (size_t)(row.plan->check_at - head)); /* nulls, older types, padding */
    int done = -1;
    if (put_mapping(&row, &row.plan->features, arguments[0]) == 0 && put_scalars(&row, arguments) == 0 &&
        put_id(&row, arguments[3]) == 0 && put_times(&row, arguments[5]) == 0) {
        done = put_slot(&row);
    }
    Py_DECREF((PyObject *)row.plan);
    Py_DECREF((PyObject *)row.slots);
    Py_DECREF(row.known);
    Py_DECREF(row.refer);
    return done;
}

static PyObject *
wrong_call(const char *format, PyObject *what)
{
    PyErr_Format(PyExc_TypeError, format, what);
    return NULL;
}

static PyObject *
log_log(PyObject *self, PyObject *const *args, Py_ssize_t n_args, PyObject *names)
{
    /* features, prediction; probability, id, latency_s, time by name */
    PyObject *arguments[6] = {NULL, Py_None, Py_None, Py_None, Py_None, Py_None};
    if (n_args > 2) {
        PyErr_Format(PyExc_TypeError, "log() takes from 1 to 2 positional arguments but %zd were given", n_args);
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n_args; i++) {
        arguments[i] = args[i];
    }
    Py_ssize_t n_names = names == NULL ? 0 : PyTuple_Size(names);
    for (Py_ssize_t i = 0; i < n_names; i++) {
        PyObject *name = PyTuple_GetItem(names, i);
        int place = 5;
        while (place >= 0 && name != names_of_arguments[place]) {
            place--;
        }
        if (place < 0) {
            for (place = 5; place >= 0; place--) {
                int order = PyUnicode_Compare(name, names_of_arguments[place]);
                if (order == 0) {
                    break;
                }
                if (order == -1 && PyErr_Occurred()) {
                    return NULL;
                }
            }
        }
        if (place < 0) {
            return wrong_call("log() got an unexpected keyword argument '%U'", name);
        }
        if (place < n_args) {
            return wrong_call("log() got multiple values for argument '%U'", name);
        }
        arguments[place] = args[n_args + i];
    }
    if (arguments[0] == NULL) {
        PyErr_SetString(PyExc_TypeError, "log() missing 1 required positional argument: 'features'");
        return NULL;
    }
    Log *log = (Log *)self;
    if (usual(log, arguments) == 0) {
        Py_RETURN_NONE;
    }
    if (PyErr_Occurred()) {
        /* what is no error of the row, such as an interrupt, passes through; the rest the general way finds again */
        if (!PyErr_ExceptionMatches(PyExc_Exception)) {
            return NULL;
        }
        PyErr_Clear();
    }
    PyObject *answer = PyObject_CallFunctionObjArgs(log->general, arguments[0], arguments[1], arguments[2],
                                                    arguments[3], arguments[4], arguments[5], NULL);
    if (answer != NULL) {
        return answer;
    }
    if (!PyErr_ExceptionMatches(PyExc_Exception)) {
        return NULL;
    }
    /* out of stack or memory: counted without a call, and with an entry that is there already */
    PyErr_Clear();
    if (PyList_Append(log->spilt, log->entry) < 0) {
        PyErr_Clear();
        log->uncounted++;
    }
    Py_RETURN_NONE;
}

static PyObject *
log_install(PyObject *object, PyObject *args)
{
    Log *self = (Log *)object;
    PyObject *plan, *slots, *known, *refer;
    if (!PyArg_ParseTuple(args, "OOOO:install", &plan, &slots, &known, &refer)) {
        return NULL;
    }
    int none = plan == Py_None;
    if (!none && (Py_TYPE(plan) != plan_type || Py_TYPE(slots) != slots_type || !PyDict_CheckExact(known))) {
        PyErr_SetString(PyExc_TypeError, "install(plan, slots, known, refer), or None for each");
        return NULL;
    }
    if (!none && ((Plan *)plan)->slot > SLOT_BYTES_MAX) {
        none = 1;
    }
    PyObject *old[4] = {(PyObject *)self->plan, (PyObject *)self->slots, self->known, self->refer};
    if (!none) {
        Py_INCREF(plan);
        Py_INCREF(slots);
        Py_INCREF(known);
        Py_INCREF(refer);
    }
    /* all at once, before anything is let go of, which may run code */
    self->plan = none ? NULL : (Plan *)plan;
    self->slots = none ? NULL : (Slots *)slots;
    self->known = none ? NULL : known;
    self->refer = none ? NULL : refer;
    for (int i = 0; i < 4; i++) {
        Py_XDECREF(old[i]);
    }
    Py_RETURN_NONE;
}

static PyObject *
log_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *clock, *general, *key, *fit_float, *fit_integer, *spilt, *entry;
    double future_s;
    static char *names[] = {"clock", "general", "key", "fit_float", "fit_integer", "spilt", "entry", "future_s", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOOOOOd:Log", names, &clock, &general, &key, &fit_float,
                                     &fit_integer, &spilt, &entry, &future_s)) {
        return NULL;
    }
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    Log *self = (Log *)alloc(type, 0);
    if (self == NULL) {
        return NULL;
    }
    PyObject **held[] = {&self->clock,     &self->general, &self->key,  &self->fit_float,
                         &self->fit_integer, &self->spilt,   &self->entry};
    PyObject *given[] = {clock == Py_None ? NULL : clock, general, key, fit_float, fit_integer, spilt, entry};
    for (int i = 0; i < 7; i++) {
        Py_XINCREF(given[i]);
        *held[i] = given[i];
    }
    self->future_s = future_s;
    return (PyObject *)self;
}

static int
log_traverse(PyObject *object, visitproc visit, void *arg)
{
    Log *self = (Log *)object;
    Py_VISIT(Py_TYPE(object));
    Py_VISIT(self->clock);
    Py_VISIT(self->general);
    Py_VISIT(self->key);
    Py_VISIT(self->fit_float);
    Py_VISIT(self->fit_integer);
    Py_VISIT(self->spilt);
    Py_VISIT(self->entry);
    Py_VISIT(self->known);
    Py_VISIT(self->refer);
    return 0;
}

static int
log_clear(PyObject *object)
{
    Log *self = (Log *)object;
    PyObject *plan = (PyObject *)self->plan, *slots = (PyObject *)self->slots;
    self->plan = NULL;
    self->slots = NULL;
    Py_XDECREF(plan);
    Py_XDECREF(slots);
    Py_CLEAR(self->clock);
    Py_CLEAR(self->general);
    Py_CLEAR(self->key);
    Py_CLEAR(self->fit_float);
    Py_CLEAR(self->fit_integer);
    Py_CLEAR(self->spilt);
    Py_CLEAR(self->entry);
    Py_CLEAR(self->known);
    Py_CLEAR(self->refer);
    return 0;
}

static void
log_dealloc(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    PyObject_GC_UnTrack(object);
    log_clear(object);
    freefunc release = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release(object);
    Py_DECREF(type);
}

static PyMethodDef log_methods[] = {
    {"log", (PyCFunction)(void (*)(void))log_log, METH_FASTCALL | METH_KEYWORDS,
     "log($self, features, prediction=None, *, probability=None, id=None, latency_s=None, time=None)\n--\n\n"
     "Record one prediction."},
    {"install", log_install, METH_VARARGS, "Write into the slots of another segment, or into none."},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot log_slots[] = {
    {Py_tp_doc, "The usual row's way into a slot; see compiled.py."},
    {Py_tp_new, log_new},
    {Py_tp_dealloc, log_dealloc},
    {Py_tp_traverse, log_traverse},
    {Py_tp_clear, log_clear},
    {Py_tp_methods, log_methods},
    {0, NULL},
};
static PyType_Spec log_spec = {"vedette.capture._core.Log", sizeof(Log), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
                               log_slots};

/* ------------------------------------------------------------------------------------------------ module */

static PyTypeObject *
add_type(PyObject *module, PyType_Spec *spec)
{
    PyObject *type = PyType_FromModuleAndSpec(module, spec, NULL);
    if (type == NULL || PyModule_AddType(module, (PyTypeObject *)type) < 0) {
        Py_XDECREF(type);
        return NULL;
    }
    return (PyTypeObject *)type; /* kept for ever: objects outlive their module at the end of the interpreter */
}

static int
core_exec(PyObject *module)
{
    static const char *names[6] = {"features", "prediction", "probability", "id", "latency_s", "time"};
    if (guard_type != NULL) { /* a second interpreter: the types and names here are the first one's */
        PyErr_SetString(PyExc_ImportError, "the core serves the first interpreter of a process alone");
        return -1;
    }
    make_tables();
    if (has_instruction()) {
        crc_state = crc_by_instruction;
    }
    page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);
    for (int i = 0; i < 6; i++) {
        names_of_arguments[i] = PyUnicode_InternFromString(names[i]);
        if (names_of_arguments[i] == NULL) {
            return -1;
        }
    }
    if (PyModule_AddIntConstant(module, "REVISION", REVISION) < 0) {
        return -1;
    }
    slots_type = add_type(module, &slots_spec);
    plan_type = add_type(module, &plan_spec);
    if (slots_type == NULL || plan_type == NULL || add_type(module, &log_spec) == NULL) {
        return -1;
    }
    guard_type = add_type(module, &guard_spec);
    return guard_type == NULL ? -1 : 0;
}

static PyMethodDef core_methods[] = {
    {"crc32c", core_crc32c, METH_VARARGS, "crc32c(data, value=0): the CRC-32C of data, going on from value."},
    {"fill_checks", core_fill_checks, METH_VARARGS,
     "fill_checks(buffer, at, slot_bytes, check_at, first, n): give whole slots the check words that they lack."},
    {"read_checks", core_read_checks, METH_VARARGS,
     "read_checks(buffer, at, slot_bytes, check_at, first, n): a byte a slot: 0 no check word, 1 right, 2 wrong."},
    {"populate", core_populate, METH_VARARGS,
     "populate(buffer, start, length): fault the pages in for writing; 0 or the error's number."},
    {NULL, NULL, 0, NULL},
};
static PyModuleDef_Slot core_slots[] = {
    {Py_mod_exec, core_exec},
    {0, NULL},
};
static struct PyModuleDef core_module = {
    PyModuleDef_HEAD_INIT, "_core", "The compiled core of the recorder; see _core.c.", 0, core_methods, core_slots,
    NULL, NULL, NULL,
};

PyMODINIT_FUNC
PyInit__core(void)
{
    return PyModuleDef_Init(&core_module);
}
