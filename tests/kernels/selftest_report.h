/* What the three self-tests say: which kernel is at work, and that it read or wrote where it must not; and a processor in
   the mode that another library may have left it in. */
#ifndef SELFTEST_REPORT_H
#define SELFTEST_REPORT_H
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <immintrin.h>
#endif

static const char *fault = "", *isa_name = "";
static char where[256];
static long n_compared;

/* Whether to check the next case. With --some one in four is, the same in every run; instruction sets get different ones. */
static int only_some;
static int is_drawn(void) {
    static uint64_t state = 0x9e3779b97f4a7c15u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return !only_some || state >> 62 == 0;
}
/* The arguments; `pretended` may be NULL. */
static void read_arguments(int n, char **arguments, const char **pretended) {
    for (int i = 1; i < n; i++)
        if (!strcmp(arguments[i], "--some"))
            only_some = 1;
        else if (!strcmp(arguments[i], "--break") && i + 1 < n)
            fault = arguments[++i];
        else if (!strcmp(arguments[i], "--pretend") && i + 1 < n && pretended)
            *pretended = arguments[++i];
        else {
            printf("%s: unknown argument\n", arguments[i]);
            exit(2);
        }
}

static void at(const char *format, ...) {
    va_list values;
    va_start(values, format);
    const int used = snprintf(where, sizeof where, "%s ", isa_name);
    vsnprintf(where + used, sizeof where - (size_t)used, format, values);
    va_end(values);
}
static void bad_read(int unused) {
    (void)unused;
    static const char head[] = "FAILED read or wrote outside its buffers: ";
    if (write(1, head, sizeof head - 1) < 0 || write(1, where, strlen(where)) < 0 || write(1, "\n", 1) < 0)
        _exit(2);
    _exit(1);
}

/* The mode before; 0 where there is none. */
static unsigned flush_subnormals(void) {
#if defined(__x86_64__)
    const unsigned before = _mm_getcsr();
    _mm_setcsr(before | 0x8040);
    return before;
#else
    return 0;
#endif
}
/* Whether subnormals are still flushed, as they must be after a kernel; the mode before is restored. */
static int still_flushing(unsigned before) {
#if defined(__x86_64__)
    const int flushing = !before || (_mm_getcsr() & 0x8040) == 0x8040;
    if (before)
        _mm_setcsr(before);
    return flushing;
#else
    (void)before;
    return 1;
#endif
}

#endif
