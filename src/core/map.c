/* Preallocated files, made, mapped and faulted in by one call without the interpreter's lock: a thread that needs the
 * lock back after each of its calls waits for it five milliseconds a time for each other one that computes. That the files
 * are there can be seen before the call ends.
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
    int made; /* set when all is done; read under the lock, set without it */
    PyObject *fresh, *path, *head;
} Map;

#define MAPS_MAX 2

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
make(Map *self, const char *fresh, const char *path, const char *head, Py_ssize_t head_bytes)
{
    int problem = 0;
    self->descriptor = open(fresh, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (self->descriptor < 0) {
        return errno;
    }
    problem = give_blocks(self->descriptor, self->size);
    if (problem == 0) {
        problem = write_head(self->descriptor, head, head_bytes);
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
    PyObject *fresh = NULL, *path = NULL, *head;
    Py_ssize_t size;
    static char *names[] = {"fresh", "path", "size", "head", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "O&O&nS:Map", names, PyUnicode_FSConverter, &fresh,
                                     PyUnicode_FSConverter, &path, &size, &head)) {
        return NULL;
    }
    Map *self = size >= PyBytes_Size(head) && size > 0 ? (Map *)allocate(type) : NULL;
    if (self == NULL) {
        if (!PyErr_Occurred()) {
            PyErr_SetString(PyExc_ValueError, "size: must be that of the head or more");
        }
        Py_DECREF(fresh);
        Py_DECREF(path);
        return NULL;
    }
    Py_INCREF(head);
    self->descriptor = -1;
    self->size = size;
    self->fresh = fresh;
    self->path = path;
    self->head = head;
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
    Py_XDECREF(self->fresh);
    Py_XDECREF(self->path);
    Py_XDECREF(self->head);
    release(object);
}

/* make(maps, fault_in): make the files, in order; none of them stays where one cannot be made. */
PyObject *
core_make(PyObject *module, PyObject *args)
{
    (void)module;
    PyObject *given;
    int fault_in;
    if (!PyArg_ParseTuple(args, "O!p:make", &PyTuple_Type, &given, &fault_in)) {
        return NULL;
    }
    Map *maps[MAPS_MAX];
    const char *fresh[MAPS_MAX], *path[MAPS_MAX], *head[MAPS_MAX];
    Py_ssize_t n = PyTuple_Size(given), head_bytes[MAPS_MAX];
    if (n > MAPS_MAX) {
        PyErr_SetString(PyExc_ValueError, "maps: must be two at most");
        return NULL;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        maps[i] = (Map *)PyTuple_GetItem(given, i);
        if (Py_TYPE((PyObject *)maps[i]) != map_type || maps[i]->made || maps[i]->descriptor >= 0) {
            PyErr_SetString(PyExc_TypeError, "maps: must be Map objects that are not made yet");
            return NULL;
        }
        fresh[i] = PyBytes_AsString(maps[i]->fresh);
        path[i] = PyBytes_AsString(maps[i]->path);
        head[i] = PyBytes_AsString(maps[i]->head);
        head_bytes[i] = PyBytes_Size(maps[i]->head);
    }
    int problem = 0;
    Py_ssize_t done = 0;
    Py_BEGIN_ALLOW_THREADS
    for (; done < n; done++) {
        problem = make(maps[done], fresh[done], path[done], head[done], head_bytes[done]);
        if (problem != 0) {
            break;
        }
    }
    for (Py_ssize_t i = 0; problem != 0 && i < done; i++) {
        unlink(path[i]);
    }
    for (Py_ssize_t i = 0; problem == 0 && i < n; i++) {
        __atomic_store_n(&maps[i]->made, 1, __ATOMIC_RELEASE);
    }
    for (Py_ssize_t i = 0; problem == 0 && fault_in && i < n; i++) {
        madvise(maps[i]->start, (size_t)maps[i]->size, MADV_POPULATE_WRITE); /* where it cannot, the stores do */
    }
    Py_END_ALLOW_THREADS
    if (problem != 0) {
        errno = problem;
        PyErr_SetFromErrnoWithFilename(PyExc_OSError, path[done]);
        return NULL;
    }
    Py_RETURN_NONE;
}

static int
map_getbuffer(PyObject *object, Py_buffer *view, int flags)
{
    Map *self = (Map *)object;
    if (!__atomic_load_n(&self->made, __ATOMIC_ACQUIRE)) {
        PyErr_SetString(PyExc_BufferError, "the file is not made yet");
        return -1;
    }
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

static PyObject *
map_made(PyObject *object, void *closure)
{
    (void)closure;
    return PyBool_FromLong(__atomic_load_n(&((Map *)object)->made, __ATOMIC_ACQUIRE));
}

static PyGetSetDef map_getset[] = {
    {"made", map_made, NULL, "True once the file is there.", NULL},
    {"descriptor", map_descriptor, NULL, "The open file; -1 once it was closed.", NULL},
    {NULL, NULL, NULL, NULL, NULL},
};
static PyMethodDef map_methods[] = {
    {"close_descriptor", map_close_descriptor, METH_NOARGS, "Close the file; the map stays until nobody looks at it."},
    {NULL, NULL, 0, NULL},
};
static PyType_Slot map_slots[] = {
    {Py_tp_doc, "Map(fresh, path, size, head): a preallocated file, mapped for writing, once make() has made it."},
    {Py_tp_new, map_new},
    {Py_tp_dealloc, map_dealloc},
    {Py_tp_getset, map_getset},
    {Py_tp_methods, map_methods},
    {Py_bf_getbuffer, map_getbuffer},
    {0, NULL},
};
PyType_Spec map_spec = {"vedette.capture._core.Map", sizeof(Map), 0, Py_TPFLAGS_DEFAULT, map_slots};
