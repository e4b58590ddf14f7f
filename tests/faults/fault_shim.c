// Preloaded into a program (LD_PRELOAD), makes one thing go wrong in it, as LAMELLA_FAULT says:
//
//   kill N    it is killed before its Nth step on files
//   tear N    it is killed in the midst of its Nth write, when half of the bytes are written
//   fail N    its Nth step on files fails, once
//   full N    from its Nth step on the disk is full: half of a write is written, nothing is created
//   memory N  its Nth allocation unlike all before fails, once: another caller, depth of the stack
//             or size (a run makes a hundred thousand, which repeat a few thousand). Those
//             before main(), of static objects, do not count.
//
// Steps on files are mkdir, an open that writes, write, fsync, close of a file open for writing and
// rename, of paths that begin with LAMELLA_FAULT_UNDER only. N counts from 1; with 0 nothing goes
// wrong. At exit the numbers of steps, writes and unlike allocations are written to the file
// LAMELLA_FAULT_COUNTS.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum Kind { kNothing, kKill, kTear, kFail, kFull, kMemory };

static enum Kind kind = kNothing;
static long long when;
static const char* under;
static atomic_llong steps, writes, allocations;

__attribute__((constructor)) static void read_environment(void) {
  static const char* const names[] = {"", "kill", "tear", "fail", "full", "memory"};
  const char* fault = getenv("LAMELLA_FAULT");
  under = getenv("LAMELLA_FAULT_UNDER");
  for (int i = kKill; fault != NULL && i <= kMemory; ++i) {
    const size_t length = strlen(names[i]);
    if (strncmp(fault, names[i], length) == 0 && fault[length] == ' ') {
      when = atoll(fault + length + 1);
      kind = when > 0 ? (enum Kind)i : kNothing;
    }
  }
}

__attribute__((destructor)) static void write_counts(void) {
  const char* path = getenv("LAMELLA_FAULT_COUNTS");
  FILE* file = path == NULL ? NULL : fopen(path, "w");
  if (file == NULL) return;
  fprintf(file, "%lld %lld %lld\n", (long long)steps, (long long)writes, (long long)allocations);
  fclose(file);
}

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int is_watched(const char* path) {
  return under != NULL && strncmp(path, under, strlen(under)) == 0;
}

static int is_watched_file(int file) {
  char link[64], path[PATH_MAX];
  const int flags = fcntl(file, F_GETFL);
  if (under == NULL || flags < 0) return 0;
  snprintf(link, sizeof link, "/proc/self/fd/%d", file);
  const ssize_t length = readlink(link, path, sizeof path - 1);
  if (length < 0) return 0;
  path[length] = '\0';
  return is_watched(path);
}

// Counts a step; whether it is to fail.
static int step_fails(void) {
  const long long step = ++steps;
  if (kind == kKill && step == when) raise(SIGKILL);
  return (kind == kFail && step == when) || (kind == kFull && step >= when);
}

static int creates(int flags) {
  return (flags & O_ACCMODE) != O_RDONLY || (flags & O_CREAT) != 0;
}

static int open_with(__typeof__(&open) real, const char* path, int flags, mode_t mode) {
  if (creates(flags) && is_watched(path) && step_fails()) {
    errno = ENOSPC;
    return -1;
  }
  return real(path, flags, mode);
}

int open(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = creates(flags) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return open_with(REAL(open), path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list rest;
  va_start(rest, flags);
  const mode_t mode = creates(flags) ? va_arg(rest, mode_t) : 0;
  va_end(rest);
  return open_with(REAL(open64), path, flags, mode);
}

int mkdir(const char* path, mode_t mode) {
  if (is_watched(path) && step_fails()) {
    errno = ENOSPC;
    return -1;
  }
  return REAL(mkdir)(path, mode);
}

ssize_t write(int file, const void* bytes, size_t count) {
  const __typeof__(&write) real = REAL(write);
  if (!is_watched_file(file)) return real(file, bytes, count);
  const int torn = ++writes == when && kind == kTear;
  const int fails = step_fails();
  if (torn || (fails && kind == kFull && count > 1)) {
    const ssize_t half = real(file, bytes, count / 2);
    if (torn) raise(SIGKILL);
    return half;
  }
  if (fails) {
    errno = ENOSPC;
    return -1;
  }
  return real(file, bytes, count);
}

int fsync(int file) {
  if (is_watched_file(file) && step_fails() && kind == kFail) {
    errno = EIO;
    return -1;
  }
  return REAL(fsync)(file);
}

int close(int file) {
  const int writable = creates(fcntl(file, F_GETFL)) && is_watched_file(file);
  const int fails = writable && step_fails() && kind == kFail;
  const int result = REAL(close)(file);
  if (!fails) return result;
  errno = EIO;
  return -1;
}

int rename(const char* from, const char* to) {
  if (is_watched(to) && step_fails() && kind == kFail) {
    errno = EIO;
    return -1;
  }
  return REAL(rename)(from, to);
}

// The allocator of glibc under the names that need no dlsym, which allocates itself.
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* old, size_t size);
void* __libc_memalign(size_t alignment, size_t size);

#define SEEN_SLOTS (1u << 20)
static _Atomic uint64_t seen[SEEN_SLOTS];

// Whether no allocation with these numbers was made before.
static int is_new(uint64_t caller, uint64_t depth, uint64_t size) {
  uint64_t hash = caller;
  hash = (hash ^ (hash >> 29)) * 0xbf58476d1ce4e5b9u + depth;
  hash = (hash ^ (hash >> 32)) * 0x94d049bb133111ebu + size;
  hash = (hash ^ (hash >> 31)) * 0xbf58476d1ce4e5b9u | 1;
  for (uint64_t i = hash >> 44;; ++i) {
    uint64_t found = 0;
    if (atomic_compare_exchange_strong(&seen[i % SEEN_SLOTS], &found, hash)) return 1;
    if (found == hash) return 0;
  }
}

typedef int Main(int, char**, char**);
static Main* real_main;
static atomic_int main_began;

static int begin_main(int count, char** arguments, char** environment) {
  main_began = 1;
  return real_main(count, arguments, environment);
}

int __libc_start_main(Main* main, int count, char** arguments, void (*init)(void),
                      void (*fini)(void), void (*loader_fini)(void), void* stack_end) {
  real_main = main;
  return REAL(__libc_start_main)(begin_main, count, arguments, init, fini, loader_fini, stack_end);
}

static int allocation_fails(void* caller, size_t size) {
  char here;
  if (!main_began || !is_new((uint64_t)caller, (uint64_t)&here, size)) return 0;
  if (++allocations != when || kind != kMemory) return 0;
  void* frames[64];
  if (getenv("LAMELLA_FAULT_TRACE")) backtrace_symbols_fd(frames, backtrace(frames, 64), 2);
  errno = ENOMEM;
  return 1;
}

#define FAILS(size) allocation_fails(__builtin_return_address(0), size)

void* malloc(size_t size) {
  return FAILS(size) ? NULL : __libc_malloc(size);
}

void* calloc(size_t count, size_t size) {
  return FAILS(count * size) ? NULL : __libc_calloc(count, size);
}

void* realloc(void* old, size_t size) {
  return FAILS(size) ? NULL : __libc_realloc(old, size);
}

void* aligned_alloc(size_t alignment, size_t size) {
  return FAILS(size) ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void** memory, size_t alignment, size_t size) {
  void* made = FAILS(size) ? NULL : __libc_memalign(alignment, size);
  if (made == NULL) return ENOMEM;
  *memory = made;
  return 0;
}
