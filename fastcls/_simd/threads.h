/* What OpenMP does not report: how many threads can start, and whether its threads were lost in a fork. */
#ifndef FASTCLS_THREADS_H
#define FASTCLS_THREADS_H

#include <stddef.h>
#include <stdint.h>

#ifdef _OPENMP
#include <omp.h>
#define FASTCLS_HAS_OPENMP 1
#else
#define FASTCLS_HAS_OPENMP 0
#define omp_get_max_threads() 1
#endif

#if FASTCLS_HAS_OPENMP && !defined(_WIN32)
#include <pthread.h>
#include <stdlib.h>

static pthread_mutex_t fastcls_gate = PTHREAD_MUTEX_INITIALIZER;

static void *fastcls_pass(void *unused) {
    pthread_mutex_lock(&fastcls_gate);
    pthread_mutex_unlock(&fastcls_gate);
    return unused;
}

/* How many of `wanted` threads can be alive at once: starts them, holds them until the last has started, and ends them. libgomp
 * ends the process if it cannot start a thread. stack: bytes of each thread's stack, 0 for the system's default. */
static ptrdiff_t fastcls_threads_that_start(ptrdiff_t wanted, size_t stack) {
    ptrdiff_t made = 0;
    pthread_attr_t attributes;
    pthread_t *threads = (pthread_t *)malloc((size_t)wanted * sizeof *threads);
    if (!threads)
        return 0;
    if (pthread_attr_init(&attributes)) {
        free(threads);
        return 0;
    }
    if (stack)
        pthread_attr_setstacksize(&attributes, stack); /* if refused, the default stays, as in OpenMP */
    pthread_mutex_lock(&fastcls_gate);
    while (made < wanted && !pthread_create(threads + made, &attributes, fastcls_pass, 0))
        made++;
    pthread_mutex_unlock(&fastcls_gate);
    for (ptrdiff_t i = 0; i < made; i++)
        pthread_join(threads[i], 0);
    pthread_attr_destroy(&attributes);
    free(threads);
    return made;
}

/* Start the threads of a team that is known to be possible, before more memory is allocated. */
static void fastcls_start_team(int n_threads) {
    volatile int n_started = 0;
#pragma omp parallel num_threads(n_threads)
    {
#pragma omp atomic
        n_started += 1;
    }
}
#else
static ptrdiff_t fastcls_threads_that_start(ptrdiff_t wanted, size_t stack) {
    (void)stack;
    return wanted;
}
static void fastcls_start_team(int n_threads) { (void)n_threads; }
#endif

#if FASTCLS_HAS_OPENMP && defined(__linux__)
#include <link.h>
#include <string.h>

static size_t fastcls_openmp_address(void) { return (size_t)(uintptr_t)&omp_get_max_threads; }

#if defined(__x86_64__) || defined(__aarch64__)
typedef struct {
    size_t module, in_file, in_memory;
    const unsigned char *image;
} fastcls_tls;

extern void *__tls_get_addr(size_t module_and_offset[2]);

static int fastcls_find_tls(struct dl_phdr_info *module, size_t size, void *result) {
    fastcls_tls *found = (fastcls_tls *)result;
    size_t address = fastcls_openmp_address();
    int is_it = 0;
    if (size < offsetof(struct dl_phdr_info, dlpi_tls_modid) + sizeof(size_t))
        return 1;
    for (int i = 0; i < module->dlpi_phnum; i++) {
        const ElfW(Phdr) *part = module->dlpi_phdr + i;
        size_t begin = (size_t)(module->dlpi_addr + part->p_vaddr);
        if (part->p_type == PT_LOAD && begin <= address && address - begin < part->p_memsz)
            is_it = 1;
        if (part->p_type == PT_TLS) {
            found->image = (const unsigned char *)(uintptr_t)begin;
            found->in_file = part->p_filesz;
            found->in_memory = part->p_memsz;
        }
    }
    if (is_it)
        found->module = module->dlpi_tls_modid;
    else
        found->in_memory = 0;
    return is_it;
}

/* Whether the calling thread has had a parallel region of this module's OpenMP: its own variables of that library are not as
 * they begin. Reads only; where they cannot be found, the answer is yes. */
static int fastcls_openmp_was_used(void) {
    fastcls_tls found = {0, 0, 0, 0};
    dl_iterate_phdr(fastcls_find_tls, &found);
    if (!found.module || !found.in_memory)
        return 1;
    size_t place[2] = {found.module, 0};
    const unsigned char *own = (const unsigned char *)__tls_get_addr(place);
    for (size_t i = 0; i < found.in_memory; i++)
        if (own[i] != (i < found.in_file ? found.image[i] : 0))
            return 1;
    return 0;
}
#else
static int fastcls_openmp_was_used(void) { return 1; }
#endif
#else
static size_t fastcls_openmp_address(void) { return 0; }
static int fastcls_openmp_was_used(void) { return 1; }
#endif

#endif
