/* The usual row: its values put together beside the file, and the whole then into a slot.
 *
 * Nothing is changed before all of it is known to be usual: what is not goes the general way, in Python. Between taking a
 * slot and the end of its bytes no Python code runs and the interpreter's lock is held, so that nothing comes in between
 * but the end of the process.
 */
#include "core.h"

#include <time.h>

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

/* numpy's and the standard library's arrays. A masked array, a subclass, is none: its buffer does not show the mask. */
static int
is_array(PyObject *value)
{
    static const char *const names[2] = {"ndarray", "array"};
    static PyTypeObject *known[2];
    PyTypeObject *type = Py_TYPE(value);
    if (type == known[0] || type == known[1]) {
        return 1;
    }
    PyObject *name = PyType_GetName(type);
    for (int i = 0; name != NULL && i < 2; i++) {
        if (PyUnicode_CompareWithASCIIString(name, names[i]) == 0) {
            Py_DECREF(name);
            if (known[i] == NULL) {
                Py_INCREF((PyObject *)type);
                known[i] = type;
            }
            return 1;
        }
    }
    Py_XDECREF(name);
    return 0;
}

/* Open an array of n floats: 4 or 8, the size of each, with the view to be released; 0 where it is not just that. */
static Py_ssize_t
open_array(PyObject *value, Py_ssize_t n, Py_buffer *view)
{
    if (!PyObject_CheckBuffer(value) || !is_array(value) ||
        PyObject_GetBuffer(value, view, PyBUF_FORMAT | PyBUF_C_CONTIGUOUS) < 0) {
        return 0;
    }
    const char *format = view->format == NULL ? "B" : view->format;
    Py_ssize_t size = strcmp(format, "f") == 0 ? 4 : strcmp(format, "d") == 0 ? 8 : 0;
    if (size && view->ndim == 1 && view->itemsize == size && view->len == size * n) {
        return size;
    }
    PyBuffer_Release(view);
    return 0;
}

/* The float at a place of a list or a tuple; -1 where there is none. A subclass cannot answer for its own value here. */
static int
float_at(PyObject *sequence, Py_ssize_t i, double *number)
{
    PyObject *item = PyList_CheckExact(sequence) ? PyList_GetItem(sequence, i) : PyTuple_GetItem(sequence, i);
    if (item == NULL || !PyFloat_Check(item)) {
        return -1;
    }
    *number = PyFloat_AsDouble(item);
    return 0;
}

static int
is_sequence_of(PyObject *value, Py_ssize_t n)
{
    return (PyList_CheckExact(value) && PyList_Size(value) == n) || (PyTuple_CheckExact(value) && PyTuple_Size(value) == n);
}

static int
put_vector(Row *row, const Column *column, PyObject *value)
{
    Py_ssize_t size = column->kind == VECTOR32 ? 4 : 8, n = column->length;
    if (size == 8 && is_sequence_of(value, n)) {
        for (Py_ssize_t i = 0; i < n; i++) {
            double number;
            if (float_at(value, i, &number) < 0) {
                return -1;
            }
            put_float(row, column->at + 8 * i, number);
        }
        return 0;
    }
    Py_buffer view;
    Py_ssize_t found = open_array(value, n, &view);
    if (!found) {
        return -1;
    }
    if (found == size) {
        memcpy(row->row.bytes + column->at, view.buf, (size_t)view.len);
    }
    PyBuffer_Release(&view);
    return found == size ? 0 : -1;
}

/* The probabilities of the classes as a list or an array, in the order in which the plan has them. */
static int
put_in_order(Row *row, const Mapping *classes, PyObject *given)
{
    if (is_sequence_of(given, classes->n)) {
        for (Py_ssize_t i = 0; i < classes->n; i++) {
            double number;
            if (float_at(given, i, &number) < 0) {
                return -1;
            }
            put_float(row, classes->columns[i].at, number);
        }
        return 0;
    }
    Py_buffer view;
    Py_ssize_t size = open_array(given, classes->n, &view);
    for (Py_ssize_t i = 0; size && i < classes->n; i++) {
        float narrow;
        double number;
        memcpy(size == 4 ? (void *)&narrow : (void *)&number, (const char *)view.buf + size * i, (size_t)size);
        put_float(row, classes->columns[i].at, size == 4 ? narrow : number);
    }
    if (size) {
        PyBuffer_Release(&view);
    }
    return size ? 0 : -1;
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
            if ((column->kind == TEXT ? PyUnicode_GetLength(value) : PyBytes_Size(value)) > TEXT_BYTES_MAX) {
                return -1; /* before it is hashed, which takes as long as it is */
            }
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

/* Features of which some are not given: those are null, and said not to be there. */
static int
put_partial(Row *row, Mapping *mapping, PyObject *given)
{
    Py_ssize_t found = 0;
    for (Py_ssize_t i = 0; i < mapping->n; i++) {
        Column *column = &mapping->columns[i];
        PyObject *value = PyDict_GetItemWithError(given, column->key);
        if (value != NULL) {
            Py_INCREF(value); /* as in put_unordered */
            int taken = put_value(row, column, value);
            Py_DECREF(value);
            if (taken < 0) {
                return -1;
            }
            found++;
        }
        else if (PyErr_Occurred() || !column->alone) {
            return -1; /* each of a column's types has its own bits: for the general way to set */
        }
        else if (column->kind != NOTHING) {
            row->row.words[3 + column->word] |= column->null | column->null << 1;
        }
    }
    return found == PyDict_Size(given) ? 0 : -1;
}

static int
put_mapping(Row *row, Mapping *mapping, PyObject *given)
{
    if (!PyDict_CheckExact(given)) {
        return -1;
    }
    Py_ssize_t n = PyDict_Size(given);
    if (n != mapping->n) {
        return n < mapping->n && mapping == &row->plan->features ? put_partial(row, mapping, given) : -1;
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
        if (PyUnicode_GetLength(id) > ID_BYTES_MAX) { /* before its UTF-8, which the text would keep */
            return -1;
        }
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
    else if (plan->in_order && probability != Py_None && !PyFloat_Check(probability) && !PyLong_Check(probability)) {
        if (put_value(row, &plan->scalars[PROBABILITY], Py_None) < 0 || put_in_order(row, &plan->classes, probability) < 0) {
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
    if (put_value(row, &plan->scalars[LATENCY], arguments[4]) < 0) {
        return -1;
    }
    if (put_value(row, &plan->scalars[ERROR], arguments[6]) < 0) {
        return -1;
    }
    PyObject *inclusion = arguments[7];
    if (inclusion != Py_None) {
        double chance = PyFloat_Check(inclusion) ? PyFloat_AsDouble(inclusion) : 0.0;
        if (!(chance > 0.0 && chance <= 1.0)) { /* the general way says what is wrong with it, or takes an integer */
            return -1;
        }
    }
    return put_value(row, &plan->scalars[INCLUSION], inclusion);
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
int
row_usual(Log *log, PyObject *const *arguments)
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
