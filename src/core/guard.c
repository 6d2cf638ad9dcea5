/* What keeps a SIGBUS in a mapped file from the process, and faults pages in; guard.py says why. */
#include "core.h"

#include <errno.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

/* Ranges that the handler of SIGBUS may find itself in. Entries are written under the interpreter's lock and read by the
 * handler at any instant: the end is stored last and cleared first. */
#define RANGES 4096
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

static PyObject *
guard_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *buffer;
    static char *names[] = {"buffer", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O:Guard", names, &buffer)) {
        return NULL;
    }
    Guard *self = (Guard *)allocate(type);
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
    guard_let_go((Guard *)self);
    release(self);
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
PyType_Spec guard_spec = {"vedette.capture._core.Guard", sizeof(Guard), 0, Py_TPFLAGS_DEFAULT, guard_slots};

void
guard_prepare(void)
{
    page_bytes = (uintptr_t)sysconf(_SC_PAGESIZE);
}

/* A range of a map as the two functions below are told of it, in whole pages. */
static int
pages_of(PyObject *args, const char *format, int flags, Py_buffer *view, uintptr_t *from, uintptr_t *to)
{
    PyObject *buffer;
    Py_ssize_t start, length;
    if (!PyArg_ParseTuple(args, format, &buffer, &start, &length) || PyObject_GetBuffer(buffer, view, flags) < 0) {
        return -1;
    }
    if (start < 0 || length < 0 || start > view->len || length > view->len - start) {
        PyBuffer_Release(view);
        PyErr_SetString(PyExc_ValueError, "the range lies outside the buffer");
        return -1;
    }
    *from = ((uintptr_t)view->buf + (uintptr_t)start) & ~(page_bytes - 1);
    *to = ((uintptr_t)view->buf + (uintptr_t)(start + length) + page_bytes - 1) & ~(page_bytes - 1);
    return 0;
}

PyObject *
core_populate(PyObject *module, PyObject *args)
{
    (void)module;
    Py_buffer view;
    uintptr_t from, to;
    if (pages_of(args, "Onn:populate", PyBUF_WRITABLE, &view, &from, &to) < 0) {
        return NULL;
    }
    int problem = 0;
    Py_BEGIN_ALLOW_THREADS
    if (to > from && madvise((void *)from, to - from, MADV_POPULATE_WRITE) != 0) {
        problem = errno;
    }
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&view);
    return PyLong_FromLong(problem);
}

PyObject *
core_sync(PyObject *module, PyObject *args)
{
    (void)module;
    Py_buffer view;
    uintptr_t from, to;
    if (pages_of(args, "Onn:sync", PyBUF_SIMPLE, &view, &from, &to) < 0) {
        return NULL;
    }
    int problem = 0;
    Py_BEGIN_ALLOW_THREADS
    if (to > from && msync((void *)from, to - from, MS_SYNC) != 0) {
        problem = errno;
    }
    Py_END_ALLOW_THREADS
    PyBuffer_Release(&view);
    return PyLong_FromLong(problem);
}
