/* JSON at the speed of memory: objects and lists of numbers as arrays.

Every function works without the interpreter's lock on bytes that it only reads. None of them says what is wrong with a
text: they answer "no", and whoever called asks a slower reader, which names the place. They refuse what JSON refuses in
structure and in numbers; bytes within strings are not looked at, except for what ends a string.
*/

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include "json_numbers.h"
#include "json_text.h"

/* Objects of an array, as a table of cells of eight bytes: a row an object, one cell a key, or four for a box. */

typedef union {
    int64_t whole;
    double real;
    struct {
        uint32_t start, size;
    } span;
} Cell;

typedef struct {
    const char *name;
    size_t size;
    char kind;
    Py_ssize_t cell; /* the first of its cells in a row */
    uint64_t bit;    /* of its own, for a key that every object must have; 0 for another */
} Key;

typedef struct {
    Key *keys;
    Py_ssize_t count, width;
    uint64_t needed; /* the bits of all keys */
} Keys;

enum { SPAN = 's', WHOLE = 'i', REAL = 'f', BOX = 'b' };

/* Which key this is, `guess` first; their count if none. `p` is at the quote. */
static Py_ssize_t which(const char *p, const char *end, const Keys *keys, Py_ssize_t guess)
{
    for (Py_ssize_t tried = 0; tried < keys->count; tried++) {
        Py_ssize_t at = guess + tried < keys->count ? guess + tried : guess + tried - keys->count;
        size_t size = keys->keys[at].size;
        if ((size_t)(end - p) > size + 1 && p[size + 1] == '"' && !memcmp(p + 1, keys->keys[at].name, size))
            return at;
    }
    return keys->count;
}

static const char *box(const char *p, const char *end, Cell *cells)
{
    if (p == end || *p != '[')
        return NULL;
    for (int side = 0; side < 4; side++) {
        p = real(blanks(p + 1, end), end, &cells[side].real);
        if (!p || (p = blanks(p, end)) == end || *p != (side < 3 ? ',' : ']'))
            return NULL;
    }
    return p + 1;
}

static const char *cell(const char *p, const char *end, const char *base, char kind, Cell *cells)
{
    const char *first = p;
    switch (kind) {
    case WHOLE:
        return integer(p, end, &cells->whole);
    case REAL:
        return real(p, end, &cells->real);
    case BOX:
        return box(p, end, cells);
    default:
        if ((p = value(p, end))) {
            cells->span.start = (uint32_t)(first - base);
            cells->span.size = (uint32_t)(p - first);
        }
        return p;
    }
}

/* One object; what it does not have is 0. */
static const char *object(const char *p, const char *end, const char *base, const Keys *keys, Cell *cells)
{
    uint64_t seen = 0;
    memset(cells, 0, (size_t)keys->width * sizeof *cells);
    if (p == end || *p != '{')
        return NULL;
    p = blanks(p + 1, end);
    if (p < end && *p == '}')
        return keys->needed ? NULL : p + 1;
    for (Py_ssize_t at = 0;; at = at + 1 < keys->count ? at + 1 : 0) {
        if (p == end || *p != '"' || (at = which(p, end, keys, at)) == keys->count)
            return NULL;
        const Key *key = &keys->keys[at];
        seen |= key->bit;
        if (!(p = colon(p + key->size + 2, end)) || !(p = cell(p, end, base, key->kind, cells + key->cell)))
            return NULL;
        p = blanks(p, end);
        if (p < end && *p == '}')
            return seen == keys->needed ? p + 1 : NULL;
        if (p == end || *p != ',')
            return NULL;
        p = blanks(p + 1, end);
    }
}

/* All objects; the number of them, or -1. `*p` becomes the place behind the last, or behind the end of the array, if it
is there: `*closed`. */
static Py_ssize_t walked(const char **p, const char *end, const Keys *keys, Cell *cells, Py_ssize_t room, bool *closed)
{
    const char *base = *p, *at = blanks(base, end);
    for (Py_ssize_t row = 0; row < room; row++) {
        if (!(at = object(at, end, base, keys, cells + keys->width * row)))
            return -1;
        *p = at;
        at = blanks(at, end);
        *closed = at < end && *at == ']';
        if (*closed)
            *p = at + 1;
        if (at == end || *closed)
            return row + 1;
        if (*at != ',')
            return -1;
        at = blanks(at + 1, end);
    }
    return -1;
}

/* The keys that the caller named; `keys->keys` is to be freed. */
static bool named(PyObject *names, const char *kinds, Py_ssize_t count, Keys *keys)
{
    keys->count = PyTuple_GET_SIZE(names);
    if (!count || count != keys->count || strspn(kinds, "sifb") != (size_t)count) {
        PyErr_SetString(PyExc_ValueError, "there must be names, and a kind for each: s, i, f or b");
        return false;
    }
    keys->keys = PyMem_New(Key, count);
    if (!keys->keys) {
        PyErr_NoMemory();
        return false;
    }
    int bits = 0;
    for (Py_ssize_t at = 0; at < count; at++) {
        char *name;
        Py_ssize_t size;
        if (PyBytes_AsStringAndSize(PyTuple_GET_ITEM(names, at), &name, &size) < 0)
            return false;
        Key key = {name, (size_t)size, kinds[at], keys->width, 0};
        if (key.kind != SPAN) {
            if (bits == 64) {
                PyErr_SetString(PyExc_ValueError, "there may be 64 keys that are no spans");
                return false;
            }
            keys->needed |= key.bit = (uint64_t)1 << bits++;
        }
        keys->keys[at] = key;
        keys->width += key.kind == BOX ? 4 : 1;
    }
    return true;
}

PyDoc_STRVAR(objects_doc, "objects(text, start, stop, names, kinds, cells)\n--\n\n"
"The values of objects.\n\n"
"Args:\n"
"    text: Bytes: objects with commas between them, up to `stop` or the end of an array.\n"
"    start: Where the first begins.\n"
"    stop: Where to stop looking, within 4 GiB.\n"
"    names: A tuple of the keys they may have, as bytes.\n"
"    kinds: Bytes, one for each key: ``i`` integers of 64 bits, ``f`` finite numbers, ``b`` lists of four of those,\n"
"        which all objects must have; ``s`` anything.\n"
"    cells: Takes ``(rows, cells)`` of eight bytes, in the keys' order: int64; float64; four times float64; twice\n"
"        uint32, where the value begins, counted from `start`, and its bytes, 0 for a key that is not there.\n\n"
"Returns:\n"
"    How many there are, the place behind the last or behind the array, and whether that ends; None if this is not what\n"
"    the text is, or there are more than rows.");

static PyObject *objects(PyObject *module, PyObject *args)
{
    Py_buffer text, cells;
    Py_ssize_t start, stop, count, found = -1;
    const char *kinds;
    PyObject *names, *answer = NULL;
    if (!PyArg_ParseTuple(args, "y*nnO!y#w*", &text, &start, &stop, &PyTuple_Type, &names, &kinds, &count, &cells))
        return NULL;
    bool closed = false;
    Keys keys = {NULL, 0, 0, 0};
    if (!named(names, kinds, count, &keys))
        goto done;
    if (start < 0 || start > stop || stop > text.len || (uint64_t)(stop - start) > UINT32_MAX) {
        PyErr_SetString(PyExc_ValueError, "start and stop must lie in the text");
        goto done;
    }
    const char *p = (const char *)text.buf + start, *end = (const char *)text.buf + stop;
    Py_ssize_t room = cells.len / (Py_ssize_t)sizeof(Cell) / keys.width;
    Py_BEGIN_ALLOW_THREADS
    found = walked(&p, end, &keys, cells.buf, room, &closed);
    Py_END_ALLOW_THREADS
    answer = found < 0 ? Py_NewRef(Py_None)
                       : Py_BuildValue("nnO", found, p - (const char *)text.buf, closed ? Py_True : Py_False);
done:
    PyMem_Free(keys.keys);
    PyBuffer_Release(&text);
    PyBuffer_Release(&cells);
    return answer;
}

/* Lists of numbers at many places. */

typedef struct {
    Py_buffer text, starts, lengths;
    Py_ssize_t count;
} Places;

static bool sound(const Places *places)
{
    const int64_t *start = places->starts.buf, *length = places->lengths.buf;
    for (Py_ssize_t row = 0; row < places->count; row++)
        if (start[row] < 0 || length[row] < 0 || start[row] > places->text.len - length[row])
            return false;
    return true;
}

typedef struct {
    double *values;
    int64_t *rings, *counts;
    uint8_t *flat;
    Py_ssize_t numbers, lists;
} Lists;

/* Numbers up to the end of their list; `p` is behind its bracket. */
static const char *ring(const char *p, const char *end, Lists *found)
{
    Py_ssize_t before = found->numbers;
    p = blanks(p, end);
    if (p < end && *p == ']') {
        found->rings[found->lists++] = 0;
        return p + 1;
    }
    for (;;) {
        if (!(p = real(p, end, found->values + found->numbers)))
            return NULL;
        found->numbers++;
        if (p < end && *p != ',' && *p != ']')
            p = blanks(p, end);
        if (p == end)
            return NULL;
        if (*p == ']')
            break;
        if (*p != ',')
            return NULL;
        p = blanks(p + 1, end);
    }
    found->rings[found->lists++] = found->numbers - before;
    return p + 1;
}

/* A list of numbers, or of lists of them. */
static const char *list(const char *p, const char *end, Lists *found, Py_ssize_t row)
{
    Py_ssize_t before = found->lists;
    found->flat[row] = 0;
    found->counts[row] = 0;
    if (p == end || *p != '[')
        return NULL;
    const char *inside = blanks(p + 1, end);
    if (inside < end && *inside == ']')
        return inside + 1;
    if (inside < end && *inside != '[') {
        found->flat[row] = found->counts[row] = 1;
        return ring(inside, end, found);
    }
    for (p = inside;;) {
        if (p == end || *p != '[' || !(p = ring(p + 1, end, found)))
            return NULL;
        p = blanks(p, end);
        if (p == end || (*p != ']' && *p != ','))
            return NULL;
        if (*p == ']')
            break;
        p = blanks(p + 1, end);
    }
    found->counts[row] = found->lists - before;
    return p + 1;
}

#define COPIED ((int64_t)1 << 17) /* bytes */

/* Texts lie all over a file, and a processor waits less for them when it copies some first: it fetches many at once. */
static bool listed(const Places *places, char *copy, Lists *found)
{
    const int64_t *start = places->starts.buf, *length = places->lengths.buf;
    for (Py_ssize_t row = 0; row < places->count;) {
        const char *text = places->text.buf, *p = copy;
        int64_t used = 0;
        Py_ssize_t stop = row;
        for (; stop < places->count && length[stop] <= COPIED - used; used += length[stop++])
            memcpy(copy + used, text + start[stop], (size_t)length[stop]);
        if (stop == row) { /* it is longer than that */
            p = text + start[row];
            stop++;
        }
        for (; row < stop; p += length[row++])
            if (list(p, p + length[row], found, row) != p + length[row])
                return false;
    }
    return true;
}

PyDoc_STRVAR(lists_doc, "lists(text, starts, lengths, values, rings, counts, flat)\n--\n\n"
"Read lists of numbers, and lists of such lists.\n\n"
"Args:\n"
"    text: Bytes.\n"
"    starts: int64 ``(n,)``, where each begins.\n"
"    lengths: int64 ``(n,)``, bytes of each.\n"
"    values: Takes float64, with room for half as many as bytes.\n"
"    rings: Takes int64, with as much room: how many numbers each innermost list has.\n"
"    counts: Takes int64 ``(n,)``: how many innermost lists each has; 0 for ``[]``.\n"
"    flat: Takes bool ``(n,)``: it is one list of numbers.\n\n"
"Returns:\n"
"    How many numbers and innermost lists there are; None if one is neither.");

static PyObject *lists(PyObject *module, PyObject *args)
{
    Places places;
    Py_buffer values, rings, counts, flat;
    if (!PyArg_ParseTuple(args, "y*y*y*w*w*w*w*", &places.text, &places.starts, &places.lengths, &values, &rings, &counts,
                          &flat))
        return NULL;
    places.count = places.starts.len / (Py_ssize_t)sizeof(int64_t);
    bool fit = places.lengths.len == places.starts.len && counts.len >= places.starts.len && flat.len >= places.count
               && sound(&places), all = false;
    uint64_t bytes = 0;
    for (Py_ssize_t row = 0; fit && row < places.count; row++)
        bytes += (uint64_t)((const int64_t *)places.lengths.buf)[row];
    fit = fit && bytes / 2 <= (uint64_t)values.len / sizeof(double) && bytes / 2 <= (uint64_t)rings.len / sizeof(int64_t);
    Lists found = {values.buf, rings.buf, counts.buf, flat.buf, 0, 0};
    char *copy = fit ? PyMem_Malloc((size_t)COPIED) : NULL;
    if (copy) {
        Py_BEGIN_ALLOW_THREADS
        all = listed(&places, copy, &found);
        Py_END_ALLOW_THREADS
        PyMem_Free(copy);
    } else if (fit) {
        PyErr_NoMemory();
    } else {
        PyErr_SetString(PyExc_ValueError, "places must lie in the text, and the arrays must have room");
    }
    Py_buffer *every[] = {&places.text, &places.starts, &places.lengths, &values, &rings, &counts, &flat};
    for (size_t at = 0; at < sizeof every / sizeof *every; at++)
        PyBuffer_Release(every[at]);
    if (!copy)
        return NULL;
    return all ? Py_BuildValue("nn", found.numbers, found.lists) : Py_NewRef(Py_None);
}

static PyMethodDef methods[] = {
    {"objects", objects, METH_VARARGS, objects_doc},
    {"lists", lists, METH_VARARGS, lists_doc},
    {NULL, NULL, 0, NULL},
};

static int started(PyObject *module)
{
#ifdef _WIN32
    plain = _create_locale(LC_ALL, "C");
#else
    plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
#endif
    if (plain)
        return 0;
    PyErr_SetString(PyExc_ImportError, "there is no locale C");
    return -1;
}

static PyModuleDef_Slot slots[] = {
    {Py_mod_exec, started},
#ifdef Py_mod_gil
    {Py_mod_gil, Py_MOD_GIL_NOT_USED},
#endif
    {0, NULL},
};

static struct PyModuleDef definition = {
    PyModuleDef_HEAD_INIT, "smalti.native._json", NULL, 0, methods, slots, NULL, NULL, NULL,
};

PyMODINIT_FUNC PyInit__json(void)
{
    return PyModuleDef_Init(&definition);
}
