/* What JSON is (https://www.rfc-editor.org/rfc/rfc8259), to pass over it. */

#ifndef SMALTI_JSON_TEXT_H
#define SMALTI_JSON_TEXT_H

#include <Python.h>

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#if defined(__BYTE_ORDER__) && __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
#define SWAR /* eight bytes are looked at at once, as one number */
#endif

#define DEEPEST 60 /* levels of a value that is passed over: a bit each */

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

#endif
