/* CRC-32C: by the processor's own instruction where it has one; of one text, or of many slots at once. */
#include "core.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#endif

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

uint32_t (*crc_state)(uint32_t, const unsigned char *, size_t) = crc_by_table;

void
crc_choose(void)
{
    make_tables();
    if (has_instruction()) {
        crc_state = crc_by_instruction;
    }
}

PyObject *
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

PyObject *
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

PyObject *
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
