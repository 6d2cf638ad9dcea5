/* Hands out the slots of a segment, each once, under the interpreter's lock. */
#include "core.h"

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
    Slots *self = (Slots *)allocate(type);
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
    slots_let_go((Slots *)self);
    release(self);
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
PyType_Spec slots_spec = {"vedette.capture._core.Slots", sizeof(Slots), 0, Py_TPFLAGS_DEFAULT, slots_slots};
