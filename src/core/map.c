/* A preallocated file, made and mapped in one call without the interpreter's lock: a thread that needs the lock back after
 * each of its calls waits for it five milliseconds a time while another one computes.
 */
#include "core.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

typedef struct {
    PyObject_HEAD
    char *start;
    Py_ssize_t size;
    int descriptor;
} Map;

/* Give a file all its blocks; an error's number, or 0. */
static int
give_blocks(int descriptor, Py_ssize_t size)
{
    int problem;
    do {
        problem = posix_fallocate(descriptor, 0, size);
    } while (problem == EINTR);
    if (problem != EOPNOTSUPP && problem != EINVAL && problem != ENOSYS) {
        return problem;
    }
    static const char zeros[65536];
    for (Py_ssize_t at = 0; at < size;) {
        Py_ssize_t piece = size - at < (Py_ssize_t)sizeof zeros ? size - at : (Py_ssize_t)sizeof zeros;
        ssize_t written = pwrite(descriptor, zeros, (size_t)piece, at);
        if (written < 0 && errno != EINTR) {
            return errno;
        }
        at += written > 0 ? written : 0;
    }
    return 0;
}

static int
write_head(int descriptor, const char *head, Py_ssize_t n)
{
    for (Py_ssize_t at = 0; at < n;) {
        ssize_t written = pwrite(descriptor, head + at, (size_t)(n - at), at);
        if (written == 0) {
            return ENOSPC;
        }
        if (written < 0 && errno != EINTR) {
            return errno;
        }
        at += written > 0 ? written : 0;
    }
    return 0;
}

/* Make the file under its first name, map it, and give it its own; an error's number, or 0. */
static int
make(Map *self, const char *fresh, const char *path, Py_buffer *head, int fault_in)
{
    int problem = 0;
    self->descriptor = open(fresh, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (self->descriptor < 0) {
        return errno;
    }
    problem = give_blocks(self->descriptor, self->size);
    if (problem == 0) {
        problem = write_head(self->descriptor, head->buf, head->len);
    }
    if (problem == 0) {
        void *start = mmap(NULL, (size_t)self->size, PROT_READ | PROT_WRITE, MAP_SHARED, self->descriptor, 0);
        if (start == MAP_FAILED) {
            problem = errno;
        }
        else {
            self->start = start;
        }
    }
    if (problem == 0 && fault_in) {
        madvise(self->start, (size_t)self->size, MADV_POPULATE_WRITE); /* where it cannot, the stores do */
    }
    if (problem == 0 && rename(fresh, path) != 0) {
        problem = errno;
    }
    if (problem != 0) {
        unlink(fresh);
    }
    return problem;
}

static PyObject *
map_new(PyTypeObject *type, PyObject *args, PyObject *kwargs)
{
    PyObject *fresh = NULL, *path = NULL;
    Py_buffer head;
    Py_ssize_t size;
    int fault_in;
    static char *names[] = {"fresh", "path", "size", "head", "fault_in", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O&O&ny*p:Map", names, PyUnicode_FSConverter, &fresh,
                                     PyUnicode_FSConverter, &path, &size, &head, &fault_in)) {
        return NULL;
    }
    Map *self = (Map *)allocate(type);
    if (self != NULL) {
        self->descriptor = -1;
        self->size = size;
        const char *first = PyBytes_AsString(fresh), *last = PyBytes_AsString(path);
        int problem;
        Py_BEGIN_ALLOW_THREADS
        problem = size > 0 ? make(self, first, last, &head, fault_in) : EINVAL;
        Py_END_ALLOW_THREADS
        if (problem != 0) {
            errno = problem;
            PyErr_SetFromErrnoWithFilename(PyExc_OSError, last);
            Py_CLEAR(self);
        }
    }
    PyBuffer_Release(&head);
    Py_XDECREF(fresh);
    Py_XDECREF(path);
    return (PyObject *)self;
}

static void
map_dealloc(PyObject *object)
{
    Map *self = (Map *)object;
    if (self->start != NULL) {
        munmap(self->start, (size_t)self->size);
    }
    if (self->descriptor >= 0) {
        close(self->descriptor);
    }
    release(object);
}

static int
map_getbuffer(PyObject *object, Py_buffer *view, int flags)
{
    Map *self = (Map *)object;
    return PyBuffer_FillInfo(view, object, self->start, self->size, 0, flags);
}

static PyObject *
map_descriptor(PyObject *object, void *closure)
{
    (void)closure;
    return PyLong_FromLong(((Map *)object)->descriptor);
}

static PyObject *
map_close_descriptor(PyObject *object, PyObject *unused)
{
    (void)unused;
    Map *self = (Map *)object;
    int descriptor = self->descriptor;
    self->descriptor = -1;
    if (descriptor >= 0) {
        close(descriptor);
    }
    Py_RETURN_NONE;
}

static PyGetSetDef map_getset[] = {
    {"descriptor", map_descriptor, NULL, "The open file; -1 once it was closed.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyMethodDef map_methods[] = {
    {"close_descriptor", map_close_descriptor, METH_NOARGS, "Close the file; the map stays until nobody looks at it."},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot map_slots[] = {
    {Py_tp_doc, "Map(fresh, path, size, head, fault_in): a preallocated file, mapped for writing."},
    {Py_tp_new, map_new},
    {Py_tp_dealloc, map_dealloc},
    {Py_tp_getset, map_getset},
    {Py_tp_methods, map_methods},
    {Py_bf_getbuffer, map_getbuffer},
    {0, NULL},
};
PyType_Spec map_spec = {"vedette.capture._core.Map", sizeof(Map), 0, Py_TPFLAGS_DEFAULT, map_slots};
