/* The limits of this machine on a number of threads: `limits THREADS SECONDS` prints a JSON object, in 10^9 per second.

     sad_registers   differences of bytes by vpsadbw + vpaddq, nothing loaded
     sad_rows        the same in a tile of 4 queries x 5 unpacked rows of 3072 bytes, 80 rows in the caches
     sad_panel       the same in a tile of 6 queries x 32 rows from a packed panel of 3072 features
     sad_double      the same with vaddpd: below 2^52 the sums are subnormal doubles, and adding those adds the integers;
                     vaddpd uses other ports than vpsadbw, vpaddq the same ones
     dot_registers   products of bytes by vpdpbusd, nothing loaded
     dot_panel       the same in a tile of 6 queries x 64 rows from a packed panel of 3072 features
     read            bytes read from memory, from an array far larger than every cache

   Each is the median over rounds of the work of all threads in the same time. A number is null if the processor lacks the
   instructions. Accumulators are separate variables, because gcc keeps an array of them in memory. */
#define _GNU_SOURCE
#include <immintrin.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512vnni"), noinline))
enum { FEATURES = 3072, ROUNDS = 7, MOST_THREADS = 256 };
static const size_t READ_BYTES = (size_t)614400000; /* 200,000 rows of 3072 bytes */

static double now(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#define EACH_6(F) F(0) F(1) F(2) F(3) F(4) F(5)
#define NAMED(i) __m512i a##i##0 = zero, a##i##1 = zero, a##i##2 = zero, a##i##3 = zero;
#define SUM(i) total = _mm512_add_epi64(total, a##i##0); total = _mm512_add_epi64(total, a##i##1);                    \
               total = _mm512_add_epi64(total, a##i##2); total = _mm512_add_epi64(total, a##i##3);

/* Each work function does `times` passes and returns how many byte operations (or bytes) that was. */
typedef double (*work_fn)(const uint8_t *queries, const uint8_t *rows, long times, size_t n_bytes);
static volatile uint64_t sink;

#define SAD(a, q, r) _mm512_add_epi64(a, _mm512_sad_epu8(q, r))
/* In assembly, because with the intrinsic gcc 12 copies such accumulators and stores the copies. */
static inline __attribute__((always_inline, target("avx512f,avx512vnni"))) __m512i DOT(__m512i a, __m512i q, __m512i r) {
    __asm__("vpdpbusd %2, %1, %0" : "+v"(a) : "v"(q), "v"(r));
    return a;
}
static inline __attribute__((always_inline, target("avx512f,avx512bw"))) __m512i SAD_DOUBLE(__m512i a, __m512i q, __m512i r) {
    __m512i difference;
    __asm__("vpsadbw %2, %3, %1\n\tvaddpd %1, %0, %0" : "+v"(a), "=&v"(difference) : "v"(q), "v"(r));
    return a;
}
/* For registers alone: volatile, because the compiler would merge equal accumulators. */
#define SAD_AGAIN(a)                                                                                                   \
    { __m512i d; __asm__ volatile("vpsadbw %2, %3, %1\n\tvpaddq %1, %0, %0" : "+v"(a), "=&v"(d) : "v"(q), "v"(r)); }
#define DOT_AGAIN(a) __asm__ volatile("vpdpbusd %1, %2, %0" : "+v"(a) : "v"(q), "v"(r));
#define REGISTERS(NAME, STEP)                                                                                          \
    AVX512 static double NAME(const uint8_t *queries, const uint8_t *rows, long times, size_t n_bytes) {               \
        (void)n_bytes;                                                                                                 \
        const __m512i zero = _mm512_setzero_si512();                                                                   \
        const __m512i q = _mm512_loadu_si512(queries), r = _mm512_loadu_si512(rows);              \
        __m512i total = zero;                         \
        EACH_6(NAMED)                                                                                                  \
        for (long t = 0; t < times * 4096; t++) {                                                                      \
            EACH_6(STEP)                                                                                               \
        }                                                                                                              \
        EACH_6(SUM)                                                                                                    \
        sink += (uint64_t)_mm512_reduce_add_epi64(total);                                                              \
        return 64.0 * 24 * 4096 * (double)times;                                                                       \
    }
#define SAD_STEP(i) SAD_AGAIN(a##i##0) SAD_AGAIN(a##i##1) SAD_AGAIN(a##i##2) SAD_AGAIN(a##i##3)
#define DOT_STEP(i) DOT_AGAIN(a##i##0) DOT_AGAIN(a##i##1) DOT_AGAIN(a##i##2) DOT_AGAIN(a##i##3)
REGISTERS(sad_registers, SAD_STEP)
REGISTERS(dot_registers, DOT_STEP)

/* 16 panels of 4 registers per step (a panel is 3072 features of LANES x 4 rows) against 6 packed queries. */
#define PANEL(NAME, STEP_BYTES, BROADCAST, STEP)                                                                       \
    AVX512 static double NAME(const uint8_t *queries, const uint8_t *rows, long times, size_t n_bytes) {               \
        (void)n_bytes;                                                                                                 \
        const __m512i zero = _mm512_setzero_si512();                                                                   \
        const long n_steps = FEATURES / STEP_BYTES;                                                                    \
        for (long t = 0; t < times; t++) {                                                                             \
            const uint8_t *panel = rows;                                                                               \
            const uint8_t *packed = queries + (t % 16) * FEATURES * 6; /* 16 tiles of queries against one panel */     \
            __m512i total = zero;                                                                                      \
            EACH_6(NAMED)                                                                                              \
            for (long s = 0; s < n_steps; s++) {                                                                       \
                const __m512i r0 = _mm512_loadu_si512(panel), r1 = _mm512_loadu_si512(panel + 64),                     \
                              r2 = _mm512_loadu_si512(panel + 128), r3 = _mm512_loadu_si512(panel + 192);              \
                EACH_6(STEP)                                                                                           \
                panel += 256;                                                                                          \
                packed += 6 * STEP_BYTES;                                                                              \
            }                                                                                                          \
            EACH_6(SUM)                                                                                                \
            sink += (uint64_t)_mm512_reduce_add_epi64(total);                                                          \
        }                                                                                                              \
        return 64.0 * 24 * (double)n_steps * (double)times;                                                            \
    }
#define WORD(p) (*(const int64_t *)(p))
#define HALF_WORD(p) (*(const int32_t *)(p))
#define SAD_QUERY(i) { const __m512i q = _mm512_set1_epi64(WORD(packed + (i) * 8));                                    \
    a##i##0 = SAD(a##i##0, q, r0); a##i##1 = SAD(a##i##1, q, r1);                                                      \
    a##i##2 = SAD(a##i##2, q, r2); a##i##3 = SAD(a##i##3, q, r3); }
#define SAD_DOUBLE_QUERY(i) { const __m512i q = _mm512_set1_epi64(WORD(packed + (i) * 8));                             \
    a##i##0 = SAD_DOUBLE(a##i##0, q, r0); a##i##1 = SAD_DOUBLE(a##i##1, q, r1);                                        \
    a##i##2 = SAD_DOUBLE(a##i##2, q, r2); a##i##3 = SAD_DOUBLE(a##i##3, q, r3); }
#define DOT_QUERY(i) { const __m512i q = _mm512_set1_epi32(HALF_WORD(packed + (i) * 4));                               \
    a##i##0 = DOT(a##i##0, r0, q); a##i##1 = DOT(a##i##1, r1, q);                                                      \
    a##i##2 = DOT(a##i##2, r2, q); a##i##3 = DOT(a##i##3, r3, q); }
PANEL(sad_panel, 8, WORD, SAD_QUERY)
PANEL(sad_double, 8, WORD, SAD_DOUBLE_QUERY)
PANEL(dot_panel, 4, HALF_WORD, DOT_QUERY)

#define EACH_4(F) F(0) F(1) F(2) F(3)
#define NAMED_5(i) __m512i a##i##0 = zero, a##i##1 = zero, a##i##2 = zero, a##i##3 = zero, a##i##4 = zero;
#define SUM_5(i) SUM(i) total = _mm512_add_epi64(total, a##i##4);
#define ROW_STEP(i) { const __m512i q = _mm512_loadu_si512(queries + (i) * FEATURES + f);                              \
    a##i##0 = SAD(a##i##0, q, r0); a##i##1 = SAD(a##i##1, q, r1); a##i##2 = SAD(a##i##2, q, r2);                       \
    a##i##3 = SAD(a##i##3, q, r3); a##i##4 = SAD(a##i##4, q, r4); }
AVX512 static double sad_rows(const uint8_t *queries, const uint8_t *rows, long times, size_t n_bytes) {
    (void)n_bytes;
    const __m512i zero = _mm512_setzero_si512();
    for (long t = 0; t < times; t++) {
        const uint8_t *r = rows + (t % 16) * 5 * FEATURES;
        __m512i total = zero;
        EACH_4(NAMED_5)
        for (long f = 0; f < FEATURES; f += 64) {
            const __m512i r0 = _mm512_loadu_si512(r + f), r1 = _mm512_loadu_si512(r + FEATURES + f),
                          r2 = _mm512_loadu_si512(r + 2 * FEATURES + f), r3 = _mm512_loadu_si512(r + 3 * FEATURES + f),
                          r4 = _mm512_loadu_si512(r + 4 * FEATURES + f);
            EACH_4(ROW_STEP)
        }
        EACH_4(SUM_5)
        sink += (uint64_t)_mm512_reduce_add_epi64(total);
    }
    return 20.0 * FEATURES * (double)times;
}

/* `times` passes over n_bytes of rows. */
__attribute__((target("avx2"), noinline)) static double read_memory(const uint8_t *queries, const uint8_t *rows, long times,
                                                                    size_t n_bytes) {
    (void)queries;
    __m256i a = _mm256_setzero_si256(), b = a, c = a, d = a;
    for (long t = 0; t < times; t++)
        for (size_t i = 0; i + 128 <= n_bytes; i += 128) {
            a = _mm256_xor_si256(a, _mm256_loadu_si256((const __m256i *)(rows + i)));
            b = _mm256_xor_si256(b, _mm256_loadu_si256((const __m256i *)(rows + i + 32)));
            c = _mm256_xor_si256(c, _mm256_loadu_si256((const __m256i *)(rows + i + 64)));
            d = _mm256_xor_si256(d, _mm256_loadu_si256((const __m256i *)(rows + i + 96)));
        }
    a = _mm256_xor_si256(_mm256_xor_si256(a, b), _mm256_xor_si256(c, d));
    sink += (uint64_t)_mm256_extract_epi64(a, 0);
    return (double)n_bytes * (double)times;
}

typedef struct {
    work_fn work;
    const uint8_t *queries, *rows;
    long times;
    size_t n_bytes;
    double done;
    pthread_barrier_t *start;
} job_t;
static void *run(void *pointer) {
    job_t *job = pointer;
    pthread_barrier_wait(job->start);
    job->done = job->work(job->queries, job->rows, job->times, job->n_bytes);
    pthread_barrier_wait(job->start);
    return NULL;
}
static double rate(work_fn work, int n_threads, long times, uint8_t *data, size_t per_thread) {
    job_t jobs[MOST_THREADS];
    pthread_t threads[MOST_THREADS];
    pthread_barrier_t start;
    pthread_barrier_init(&start, NULL, (unsigned)n_threads + 1);
    for (int i = 0; i < n_threads; i++) {
        uint8_t *own = data + (size_t)i * per_thread;
        jobs[i] = (job_t){work, own, work == read_memory ? own : own + 6 * 16 * FEATURES, times, per_thread, 0, &start};
        pthread_create(&threads[i], NULL, run, &jobs[i]);
    }
    pthread_barrier_wait(&start);
    const double begun = now();
    pthread_barrier_wait(&start);
    const double seconds = now() - begun;
    double done = 0;
    for (int i = 0; i < n_threads; i++) {
        pthread_join(threads[i], NULL);
        done += jobs[i].done;
    }
    pthread_barrier_destroy(&start);
    return done / seconds * 1e-9;
}
static int by_size(const void *a, const void *b) {
    return (*(const double *)a > *(const double *)b) - (*(const double *)a < *(const double *)b);
}
static double median_rate(work_fn work, int n_threads, double seconds, uint8_t *data, size_t per_thread) {
    long times = 1;
    double of_round[ROUNDS];
    for (;;) { /* as many passes as a seventh of the seconds take; this is the warm-up too */
        const double begun = now();
        rate(work, n_threads, times, data, per_thread);
        const double took = now() - begun;
        if (took > seconds / ROUNDS / 2)
            break;
        times = took > seconds / 100 ? (long)((double)times * seconds / ROUNDS / took) + 1 : times * 4;
    }
    for (int i = 0; i < ROUNDS; i++)
        of_round[i] = rate(work, n_threads, times, data, per_thread);
    qsort(of_round, ROUNDS, sizeof of_round[0], by_size);
    return of_round[ROUNDS / 2];
}

int main(int n_arguments, char **arguments) {
    const int n_threads = n_arguments > 1 ? atoi(arguments[1]) : 1;
    const double seconds = n_arguments > 2 ? atof(arguments[2]) : 2;
    if (n_threads < 1 || n_threads > MOST_THREADS || seconds <= 0) {
        fprintf(stderr, "limits: 1 to %d threads, seconds above 0\n", MOST_THREADS);
        return 2;
    }
    uint8_t *data = mmap(NULL, READ_BYTES, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (data == MAP_FAILED)
        return 2;
    madvise(data, READ_BYTES, MADV_HUGEPAGE); /* as NumPy does */
    uint64_t state = 88172645463325252u;
    for (size_t i = 0; i + 8 <= READ_BYTES; i += 8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        memcpy(data + i, &state, 8);
    }
    static const struct {
        const char *name;
        work_fn work;
    } works[] = {{"sad_registers", sad_registers}, {"sad_rows", sad_rows},   {"sad_panel", sad_panel}, {"sad_double", sad_double},
                 {"dot_registers", dot_registers}, {"dot_panel", dot_panel}, {"read", read_memory}};
    enum { N_WORKS = sizeof works / sizeof works[0] };
    const int has_vnni = __builtin_cpu_supports("avx512vnni") && __builtin_cpu_supports("avx512bw");
    const size_t per_thread = READ_BYTES / (size_t)n_threads / 128 * 128;
    printf("{");
    for (int i = 0; i < N_WORKS; i++) {
        printf("%s\"%s\": ", i ? ", " : "", works[i].name);
        if (works[i].work == read_memory ? __builtin_cpu_supports("avx2") : has_vnni)
            printf("%.2f", median_rate(works[i].work, n_threads, seconds, data, per_thread));
        else
            printf("null");
    }
    printf("}\n");
    return 0;
}
