/* The numbers of JSON, rounded as IEEE 754 wants it. */

#ifndef SMALTI_JSON_NUMBERS_H
#define SMALTI_JSON_NUMBERS_H

#include "json_text.h"

#include <float.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#ifdef __APPLE__
#include <xlocale.h>
#endif

#if FLT_EVAL_METHOD != 0
#error "numbers could be rounded twice"
#endif

#define DIGITS 19 /* so many decimal digits fit 64 bits */

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

#ifdef SWAR
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

#endif
