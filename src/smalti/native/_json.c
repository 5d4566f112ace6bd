/* JSON (https://www.rfc-editor.org/rfc/rfc8259) at the speed of memory: where values stand, and the numbers in them.

Every function works without the interpreter's lock on bytes that it only reads. None of them says what is wrong with a
text: they answer "no", and whoever called asks a slower reader, which names the place. They refuse what JSON refuses in
structure and in numbers; bytes within strings are not looked at, except for what ends a string.
*/

#define PY_SSIZE_T_CLEAN
#define _GNU_SOURCE /* strtod_l */
#include <Python.h>

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#ifdef __APPLE__
#include <xlocale.h>
#endif

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define SWAR
#endif

#if FLT_EVAL_METHOD != 0
#error "numbers could be rounded twice"
#endif

#define DEEPEST 60 /* levels of a value that is passed over: a bit each */
#define DIGITS 19  /* so many decimal digits fit 64 bits */

/* Each of the next functions begins at `p`, and returns where it stopped: behind what it names, or NULL if that is not
there. None reads at `end` or behind it. */

static const char *blanks(const char *p, const char *end)
{
    while (p < end && (*p == ' ' || *p == '\n' || *p == '\r' || *p == '\t'))
        p++;
    return p;
}

static const char *digits(const char *p, const char *end)
{
    while (p < end && (unsigned char)(*p - '0') < 10)
        p++;
    return p;
}

static const char *string(const char *p, const char *end)
{
    if (p == end || *p != '"')
        return NULL;
    for (p++; p < end; p++) {
        if (*p == '"')
            return p + 1;
        if ((unsigned char)*p < ' ')
            return NULL;
        if (*p != '\\')
            continue;
        if (++p == end)
            return NULL;
        if (*p == 'u') {
            for (int left = 4; left; left--)
                if (++p == end || !Py_ISXDIGIT(*p))
                    return NULL;
        } else if (!memchr("\"\\/bfnrt", *p, 8)) {
            return NULL;
        }
    }
    return NULL;
}

#ifdef SWAR
/* A number of up to seven symbols without sign and power, as most are: eight bytes are looked at at once, since a loop
over so few digits is foretold wrongly at every number. */
typedef struct {
    uint64_t symbols;
    unsigned whole, size; /* digits before the dot, and symbols in all */
} Short;

static inline bool is_short(const char *p, const char *end, Short *found)
{
    if (end - p < 8)
        return false;
    memcpy(&found->symbols, p, 8);
    /* The high bit of all bytes that are no digits, up to the first that is no ASCII. */
    uint64_t others = found->symbols ^ 0x3030303030303030; /* digits are below ten now */
    others = (others | (others + 0x7676767676767676)) & 0x8080808080808080;
    if (!others || (*p == '0' && (unsigned char)(p[1] - '0') < 10))
        return false;
    found->whole = found->size = (unsigned)__builtin_ctzll(others) >> 3;
    if (!found->whole)
        return false;
    if (p[found->whole] == '.') {
        others &= others - 1;
        if (!others)
            return false;
        found->size = (unsigned)__builtin_ctzll(others) >> 3;
        if (found->size == found->whole + 1)
            return false;
    }
    return (p[found->size] | ' ') != 'e';
}

/* Its digits, without the dot: https://lemire.me/blog/2022/01/21/swar-explained-parsing-eight-digits/ */
static inline uint64_t short_digits(const Short *number)
{
    uint64_t whole = ((uint64_t)1 << 8 * number->whole) - 1, digits = number->symbols;
    unsigned count = number->size;
    if (number->size > number->whole) {
        digits = (digits & whole) | (digits >> 8 & ~whole);
        count--;
    }
    digits = digits << (64 - 8 * count) & 0x0F0F0F0F0F0F0F0F;
    digits = digits * 10 + (digits >> 8);
    return ((digits & 0x000000FF000000FF) * (100 + ((uint64_t)1000000 << 32))
            + (digits >> 16 & 0x000000FF000000FF) * (1 + ((uint64_t)10000 << 32))) >> 32;
}
#endif

static const char *any_number(const char *p, const char *end)
{
    p += p < end && *p == '-';
    const char *first = p;
    p = digits(p, end);
    if (p == first || (*first == '0' && p > first + 1))
        return NULL;
    if (p < end && *p == '.') {
        first = ++p;
        p = digits(p, end);
        if (p == first)
            return NULL;
    }
    if (p < end && (*p == 'e' || *p == 'E')) {
        p++;
        p += p < end && (*p == '-' || *p == '+');
        first = p;
        p = digits(p, end);
        if (p == first)
            return NULL;
    }
    return p;
}

static inline const char *number(const char *p, const char *end)
{
#ifdef SWAR
    Short few;
    if (is_short(p, end, &few))
        return p + few.size;
#endif
    return any_number(p, end);
}

static const char *word(const char *p, const char *end, const char *text, size_t size)
{
    return (size_t)(end - p) >= size && !memcmp(p, text, size) ? p + size : NULL;
}

/* A number, string or word. */
static const char *scalar(const char *p, const char *end)
{
    if (p == end)
        return NULL;
    switch (*p) {
    case '"':
        return string(p, end);
    case 't':
        return word(p, end, "true", 4);
    case 'f':
        return word(p, end, "false", 5);
    case 'n':
        return word(p, end, "null", 4);
    default:
        return number(p, end);
    }
}

/* What stands between a key and its value. */
static const char *colon(const char *p, const char *end)
{
    p = blanks(p, end);
    return p < end && *p == ':' ? blanks(p + 1, end) : NULL;
}

static const char *key(const char *p, const char *end)
{
    p = string(p, end);
    return p ? colon(p, end) : NULL;
}

static const char *value(const char *p, const char *end)
{
    uint64_t objects = 0; /* a bit for each open level, the innermost lowest: whether it is an object */
    for (int depth = 0;;) {
        if (p < end && (*p == '[' || *p == '{')) {
            if (++depth > DEEPEST)
                return NULL;
            objects = objects << 1 | (*p == '{');
            p = blanks(p + 1, end);
            if (p == end || *p != (objects & 1 ? '}' : ']')) { /* it is not empty */
                if (objects & 1 && !(p = key(p, end)))
                    return NULL;
                continue;
            }
        } else if (!(p = p < end && (unsigned char)(*p - '0') < 10 ? number(p, end) : scalar(p, end))) {
            return NULL;
        } else if (!depth) {
            return p;
        } else {
            p = blanks(p, end);
        }
        while (p < end && *p == (objects & 1 ? '}' : ']')) {
            objects >>= 1;
            if (!--depth)
                return p + 1;
            p = blanks(p + 1, end);
        }
        if (p == end || *p != ',')
            return NULL;
        p = blanks(p + 1, end);
        if (objects & 1 && !(p = key(p, end)))
            return NULL;
    }
}

/* Numbers, rounded as IEEE 754 wants it. */

static const double POWERS[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
#define POWER_MOST 22               /* ten to this is a double without rounding */
#define EXACT ((uint64_t)1 << 53)   /* whole numbers up to this are doubles without rounding */

#ifdef _WIN32
static _locale_t plain;
#define strtod_l _strtod_l
#else
static locale_t plain;
#endif

#ifdef __SIZEOF_INT128__
/* digits / 10^places, for numbers of 16 to 19 digits: the quotient to 62 bits or more, and a bit for what is left. */
static double divided(uint64_t digits, Py_ssize_t places)
{
    uint64_t divisor = 1;
    for (; places; places--)
        divisor *= 10;
    int up = __builtin_clzll(digits), down = __builtin_clzll(divisor);
    divisor <<= down;
    unsigned __int128 dividend = (unsigned __int128)(digits << up) << 63;
    uint64_t quotient = (uint64_t)(dividend / divisor);
    quotient |= dividend != (unsigned __int128)quotient * divisor;
    return ldexp((double)quotient, down - up - 63);
}
#endif

static const char *any_real(const char *p, const char *end, double *found)
{
    const char *first = p;
    bool minus = p < end && *p == '-';
    p += minus;
    const char *whole = p;
    uint64_t all = 0;
    Py_ssize_t count = 0, places = 0;
    for (; p < end && (unsigned char)(*p - '0') < 10; p++, count++)
        all = all * 10 + (uint64_t)(*p - '0');
    if (!count || (*whole == '0' && count > 1))
        return NULL;
    if (p < end && *p == '.') {
        for (p++; p < end && (unsigned char)(*p - '0') < 10; p++, places++)
            all = all * 10 + (uint64_t)(*p - '0');
        if (!places)
            return NULL;
    }
    bool power = p < end && (*p == 'e' || *p == 'E');
    if (!power && count + places <= DIGITS) {
        if (all <= EXACT && places <= POWER_MOST) {
            *found = (double)all / POWERS[places];
            *found = minus ? -*found : *found;
            return p;
        }
#ifdef __SIZEOF_INT128__
        *found = minus ? -divided(all, places) : divided(all, places);
        return p;
#endif
    }
    if (!(p = any_number(first, end)) || p == end) /* strtod stops at what stands behind a number: there must be something */
        return NULL;
    *found = strtod_l(first, NULL, plain);
    return isfinite(*found) ? p : NULL;
}

static inline const char *real(const char *p, const char *end, double *found)
{
#ifdef SWAR
    Short few;
    if (is_short(p, end, &few)) {
        *found = (double)short_digits(&few) / POWERS[few.size > few.whole ? few.size - few.whole - 1 : 0];
        return p + few.size;
    }
#endif
    return any_real(p, end, found);
}

static const char *integer(const char *p, const char *end, int64_t *found)
{
    bool minus = p < end && *p == '-';
    const char *first = p += minus;
    uint64_t all = 0;
    for (; p < end && (unsigned char)(*p - '0') < 10; p++)
        all = all * 10 + (uint64_t)(*p - '0');
    if (p == first || (*first == '0' && p > first + 1) || p > first + DIGITS || all > (uint64_t)INT64_MAX)
        return NULL;
    *found = minus ? -(int64_t)all : (int64_t)all;
    return p;
}

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
