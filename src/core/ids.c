/* Reads the ids of many slots at once. */
#include "core.h"

/* read_ids(rows, flags, row_bytes): a list with the id of each row, None where it has none or a long one; and a list of
 * the rows whose id is damaged. A row is a byte of length and the text; the flags are the slots' first words of them. */
PyObject *
core_read_ids(PyObject *module, PyObject *args)
{
    (void)module;
    Py_buffer rows, flags;
    Py_ssize_t row_bytes;
    if (!PyArg_ParseTuple(args, "y*y*n:read_ids", &rows, &flags, &row_bytes)) {
        return NULL;
    }
    Py_ssize_t n = flags.len / 8;
    PyObject *ids = NULL, *damaged = NULL, *answer = NULL;
    if (row_bytes < 2 || rows.len / row_bytes < n) {
        PyErr_SetString(PyExc_ValueError, "fewer rows than flags");
        goto done;
    }
    ids = PyList_New(n);
    damaged = PyList_New(0);
    if (ids == NULL || damaged == NULL) {
        goto done;
    }
    for (Py_ssize_t i = 0; i < n; i++) {
        const unsigned char *row = (const unsigned char *)rows.buf + i * row_bytes;
        u64 word;
        memcpy(&word, (const char *)flags.buf + 8 * i, 8);
        PyObject *id = NULL;
        if (!(word & 3)) { /* neither null nor among the texts */
            id = row[0] < row_bytes ? PyUnicode_DecodeUTF8((const char *)row + 1, row[0], "strict") : NULL;
            if (id == NULL) {
                if (PyErr_Occurred() && !PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
                    goto done;
                }
                PyErr_Clear();
                PyObject *place = PyLong_FromSsize_t(i);
                int appended = place == NULL ? -1 : PyList_Append(damaged, place);
                Py_XDECREF(place);
                if (appended < 0) {
                    goto done;
                }
            }
        }
        if (id == NULL) {
            id = Py_None;
            Py_INCREF(id);
        }
        PyList_SetItem(ids, i, id); /* takes the reference */
    }
    answer = Py_BuildValue("(OO)", ids, damaged);
done:
    Py_XDECREF(ids);
    Py_XDECREF(damaged);
    PyBuffer_Release(&rows);
    PyBuffer_Release(&flags);
    return answer;
}
