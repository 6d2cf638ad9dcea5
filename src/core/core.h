/* What the files of the compiled core share; module.c says what the core is. */
#ifndef VEDETTE_CORE_H
#define VEDETTE_CORE_H

#define PY_SSIZE_T_CLEAN
#ifndef Py_LIMITED_API
#define Py_LIMITED_API 0x030B0000
#endif
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <Python.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>

#if __BYTE_ORDER__ != __ORDER_LITTLE_ENDIAN__
#error "the journal is little endian, and the core writes it as the machine does"
#endif

typedef uint64_t u64;

/* crc32c.c */
void crc_choose(void);
extern uint32_t (*crc_state)(uint32_t state, const unsigned char *data, size_t n);

/* A checksum beside its complement: never zero, which says that none was taken. */
static inline u64
check_word(const unsigned char *data, size_t n)
{
    u64 crc = crc_state(0xFFFFFFFFu, data, n) ^ 0xFFFFFFFFu;
    return crc | (crc ^ 0xFFFFFFFFu) << 32;
}

PyObject *core_crc32c(PyObject *module, PyObject *args);
PyObject *core_fill_checks(PyObject *module, PyObject *args);
PyObject *core_read_checks(PyObject *module, PyObject *args);

/* guard.c: a mapped range that the handler of SIGBUS may find itself in */
typedef struct {
    _Atomic uintptr_t start, end;
    atomic_int broken;
} Range;

typedef struct {
    PyObject_HEAD
    Py_buffer view;
    Range *range;
} Guard;

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

void guard_prepare(void);
extern PyType_Spec guard_spec;
PyObject *core_populate(PyObject *module, PyObject *args);
PyObject *core_sync(PyObject *module, PyObject *args);

/* ids.c */
PyObject *core_read_ids(PyObject *module, PyObject *args);

/* map.c: preallocated files, mapped */
extern PyType_Spec map_spec;
extern PyTypeObject *map_type;
PyObject *core_make(PyObject *module, PyObject *args);

/* slots.c: the slots of a segment, each handed out once */
typedef struct {
    PyObject_HEAD
    Py_buffer view;
    PyObject *guard; /* keeps the range */
    Range *range;
    Py_ssize_t at, slot;
    u64 first, limit, next, stopped; /* stopped: the first sequence that was not handed out, once stop() was called */
    int is_stopped;
} Slots;

extern PyType_Spec slots_spec;

/* plan.c: a layout as the core reads it */
enum Kind { FLOAT64, INT64, UINT64, BOOLEAN, TEXT, BYTES, TIMESTAMP, VECTOR32, VECTOR64, NOTHING, N_KINDS };
enum { PREDICTION, PROBABILITY, LATENCY, ERROR, INCLUSION, N_SCALARS };

/* One column of a row: where its value goes, and what is said of it in the flags where it is null. */
typedef struct {
    PyObject *key; /* a feature's name or a class, as the caller spells it */
    int kind;
    int alone; /* the only type of its column: then a number that fits without loss is taken */
    Py_ssize_t at;
    Py_ssize_t length; /* elements of a vector */
    int word;
    u64 null;
} Column;

/* The columns of a mapping; the keys in the order in which the last one had them, and the column of each. */
typedef struct {
    Column *columns;
    Py_ssize_t n;
    PyObject **keys;
    Py_ssize_t *places;
} Mapping;

typedef struct {
    PyObject_HEAD
    Mapping features, classes;
    Column scalars[N_SCALARS];
    int words;
    u64 *flags; /* of a row in which nothing is null but the id and the further types of columns */
    Py_ssize_t slot, check_at, id_at; /* id_at is 0 where slots have no room for an id */
    int in_order;                     /* the classes are in the model's order: a list of probabilities has them so */
} Plan;

extern PyType_Spec plan_spec;

/* row.c, log.c: Monitor.log */
#define SLOT_BYTES_MAX 32768 /* wider rows go the general way: they lie on the stack here */
#define ID_BYTES_MAX 39
#define TEXT_BYTES_MAX 65536

typedef struct {
    PyObject_HEAD
    PyObject *clock; /* NULL: the system's */
    PyObject *general, *key, *fit_float, *fit_integer;
    PyObject *spilt, *entry; /* the list that rows are counted in where nothing can be called, and what goes in */
    PyObject *uncounted;     /* a bytearray of 8: the number of rows that not even that could be done for */
    double future_s;
    /* the segment that rows go into now; all NULL where there is none */
    Plan *plan;
    Slots *slots;
    PyObject *known, *refer;
} Log;

/* features, prediction, probability, id, latency_s, time, error, inclusion */
#define N_ARGUMENTS 8
int row_usual(Log *log, PyObject *const *arguments);
extern PyType_Spec log_spec;
extern PyObject *names_of_arguments[N_ARGUMENTS];

/* module.c: the types, of the one interpreter that the core serves */
extern PyTypeObject *guard_type, *slots_type, *plan_type;

static inline PyObject *
allocate(PyTypeObject *type)
{
    allocfunc alloc = (allocfunc)PyType_GetSlot(type, Py_tp_alloc);
    return alloc(type, 0);
}

/* The end of an object of a type made from a spec. */
static inline void
release(PyObject *object)
{
    PyTypeObject *type = Py_TYPE(object);
    freefunc release_it = (freefunc)PyType_GetSlot(type, Py_tp_free);
    release_it(object);
    Py_DECREF(type);
}

#endif
