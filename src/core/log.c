/* Monitor.log: the arguments of a call, the usual way, and the general way in Python for what is not usual. */
#include "core.h"

PyObject *names_of_arguments[N_ARGUMENTS];

static PyObject *
wrong_call(const char *format, PyObject *what)
{
    PyErr_Format(PyExc_TypeError, format, what);
    return NULL;
}

static PyObject *
log_log(PyObject *self, PyObject *const *args, Py_ssize_t n_args, PyObject *names)
{
    /* features, prediction; probability, id, latency_s, time, error, inclusion by name */
    PyObject *arguments[N_ARGUMENTS] = {NULL, Py_None, Py_None, Py_None, Py_None, Py_None, Py_None, Py_None};
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
        int place = N_ARGUMENTS - 1;
        while (place >= 0 && name != names_of_arguments[place]) {
            place--;
        }
        if (place < 0) {
            for (place = N_ARGUMENTS - 1; place >= 0; place--) {
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
    if (row_usual(log, arguments) == 0) {
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
                                                    arguments[3], arguments[4], arguments[5], arguments[6], arguments[7], NULL);
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
        u64 n;
        char *number = PyByteArray_AsString(log->uncounted);
        memcpy(&n, number, sizeof n);
        n++;
        memcpy(number, &n, sizeof n);
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
    PyObject *clock, *general, *key, *fit_float, *fit_integer, *spilt, *entry, *uncounted;
    double future_s;
    static char *names[] = {"clock", "general", "key", "fit_float", "fit_integer", "spilt", "entry", "uncounted",
                            "future_s", NULL};
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOOOOOOd:Log", names, &clock, &general, &key, &fit_float,
                                     &fit_integer, &spilt, &entry, &uncounted, &future_s)) {
        return NULL;
    }
    if (!PyByteArray_CheckExact(uncounted) || PyByteArray_Size(uncounted) != sizeof(u64)) {
        PyErr_SetString(PyExc_TypeError, "uncounted: must be a bytearray of 8 bytes");
        return NULL;
    }
    Log *self = (Log *)allocate(type);
    if (self == NULL) {
        return NULL;
    }
    PyObject **held[] = {&self->clock,     &self->general, &self->key,  &self->fit_float,
                         &self->fit_integer, &self->spilt,   &self->entry,
                         &self->uncounted};
    PyObject *given[] = {clock == Py_None ? NULL : clock, general, key, fit_float, fit_integer, spilt, entry, uncounted};
    for (int i = 0; i < 8; i++) {
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
    Py_VISIT(self->uncounted);
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
    Py_CLEAR(self->uncounted);
    Py_CLEAR(self->known);
    Py_CLEAR(self->refer);
    return 0;
}

static void
log_dealloc(PyObject *object)
{
    PyObject_GC_UnTrack(object);
    log_clear(object);
    release(object);
}

static PyMethodDef log_methods[] = {
    {"log", (PyCFunction)(void (*)(void))log_log, METH_FASTCALL | METH_KEYWORDS,
     "log($self, features, prediction=None, *, probability=None, id=None, latency_s=None, time=None,"
     " error=None, inclusion=None)\n--\n\n"
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
PyType_Spec log_spec = {"vedette.capture._core.Log", sizeof(Log), 0, Py_TPFLAGS_DEFAULT | Py_TPFLAGS_HAVE_GC,
                               log_slots};
