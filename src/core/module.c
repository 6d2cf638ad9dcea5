/* The compiled core of the recorder: the usual row's way into a slot, and what needs the system more closely than
 * Python can.
 *
 *   crc32c(data, value=0)                 CRC-32C, by the processor's own instruction where it has one
 *   fill_checks, read_checks              check words of many slots at once, without the interpreter's lock
 *   read_ids                              the ids of many slots at once
 *   populate(buffer, start, length)       fault pages in for writing, without the interpreter's lock
 *   sync(buffer, start, length)           put pages on disk, without the interpreter's lock
 *   Map(...), make(maps, fault_in)        preallocated files, mapped, made without the interpreter's lock
 *   Guard(buffer)                         catches SIGBUS in a mapped file: the process lives, the guard is broken
 *   Slots(buffer, guard, ...)             hands out the slots of a segment
 *   Plan(...)                             a layout
 *   Log(...).log                          Monitor.log
 *
 * Whatever is not usual is handed to the general way in Python. The bytes are those of compiled.py and format.py, and
 * the tests run on both; docs/journal.md says them in words.
 *
 * Built for the limited API of Python 3.11, so that one build serves all later versions.
 */
#include "core.h"

#define REVISION 17 /* counted up with each change that Python sees: a build left behind by an older one is not used */

PyTypeObject *guard_type, *slots_type, *plan_type, *map_type;

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
    static const char *names[N_ARGUMENTS] = {"features", "prediction", "probability", "id", "latency_s", "time",
                                             "error", "inclusion"};
    if (guard_type != NULL) { /* a second interpreter: the types and names here are the first one's */
        PyErr_SetString(PyExc_ImportError, "the core serves the first interpreter of a process alone");
        return -1;
    }
    crc_choose();
    guard_prepare();
    for (int i = 0; i < N_ARGUMENTS; i++) {
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
    map_type = add_type(module, &map_spec);
    if (slots_type == NULL || plan_type == NULL || map_type == NULL || add_type(module, &log_spec) == NULL) {
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
    {"read_ids", core_read_ids, METH_VARARGS,
     "read_ids(rows, flags, row_bytes): the id of each row, and the places of damaged ones."},
    {"make", core_make, METH_VARARGS,
     "make(maps, fault_in): make the files of Map objects, all or none, and fault their pages in for writing."},
    {"sync", core_sync, METH_VARARGS,
     "sync(buffer, start, length): put the pages of a mapped file on disk; 0 or the error's number."},
    {"populate", core_populate, METH_VARARGS,
     "populate(buffer, start, length): fault the pages in for writing; 0 or the error's number."},
    {NULL, NULL, 0, NULL},
};
static PyModuleDef_Slot core_slots[] = {
    {Py_mod_exec, core_exec},
    {0, NULL},
};
static struct PyModuleDef core_module = {
    PyModuleDef_HEAD_INIT, "_core", "The compiled core of the recorder; see src/core.", 0, core_methods, core_slots,
    NULL, NULL, NULL,
};

PyMODINIT_FUNC
PyInit__core(void)
{
    return PyModuleDef_Init(&core_module);
}
