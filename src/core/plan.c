/* A layout as the core reads it; it never changes, but for the order in which the caller has its keys. */
#include "core.h"

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
    mapping_clear(&self->features);
    mapping_clear(&self->classes);
    PyMem_Free(self->flags);
    release(object);
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
    static char *names[] = {"features", "classes", "scalars", "flags", "slot_bytes", "check_at", "id_at",
                            "in_order", NULL};
    int in_order;
    if (!PyArg_ParseTupleAndKeywords(args, kwargs, "OOOOnnnp:Plan", names, &features, &classes, &scalars, &flags, &slot,
                                     &check_at, &id_at, &in_order)) {
        return NULL;
    }
    Plan *self = (Plan *)allocate(type);
    if (self == NULL) {
        return NULL;
    }
    self->slot = slot;
    self->check_at = check_at;
    self->id_at = id_at;
    self->in_order = in_order;
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
        fits = column_fits(self, &self->classes.columns[i]) && self->classes.columns[i].kind == FLOAT64;
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
PyType_Spec plan_spec = {"vedette.capture._core.Plan", sizeof(Plan), 0, Py_TPFLAGS_DEFAULT, plan_slots};
