// What the recorder asks of the tracer, or of the program, from inside the container: by `docker exec` it reaches
// containers on any engine, without a shell in the image and without a network path to it.
#include "tracer.h"
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

// The tracer's process id, if it is still there.
static int find_tracer(const char *file) {
  char text[600], name[64];
  int fd = open(file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
  ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  if (fd >= 0) close(fd);
  text[n > 0 ? n : 0] = 0;
  const char *field = strstr(text, "\"tracer\":");
  int pid = field ? atoi(field + 9) : 0;
  if (pid <= 0) return 0;
  snprintf(name, sizeof name, "/proc/%d/stat", pid);
  fd = open(name, O_RDONLY | O_CLOEXEC);
  n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
  if (fd >= 0) close(fd);
  text[n > 0 ? n : 0] = 0;
  return strstr(text, " (soci-tracer) ") && !strstr(text, " (soci-tracer) Z") ? pid : 0;
}

static double seconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

int ask_for_snapshot(const char *file) {
  char done[LONG_PATH];
  struct stat st;
  snprintf(done, sizeof done, "%s.done", file);
  unlink(done);
  const double last = seconds() + 30;
  for (int tick = 0; seconds() < last; tick++) {
    // Once more from time to time: a signal that arrives just before the tracer waits is only seen after an event.
    if (tick % 100 == 0) {
      int tracer = find_tracer(file);
      if (!tracer) {
        dprintf(2, "soci-lens tracer: it is not running\n");
        return 1;
      }
      // A program may have stopped it, and then not even end: a killed process waits for its tracer once more.
      if (kill(tracer, SIGCONT) || kill(tracer, SIGUSR1)) return complain("signal"), 1;
    }
    if (lstat(done, &st) == 0) return 0;
    usleep(5000);
  }
  dprintf(2, "soci-lens tracer: no answer within 30 s\n");
  return 2;
}

int follow(const char *file) {
  char buffer[1 << 16];
  int fd = -1;
  for (int tick = 0; fd < 0 && tick < 1000; tick++) {
    fd = open(file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (fd < 0) usleep(10000);
  }
  if (fd < 0) return complain(file), 1;
  for (off_t at = 0;;) {
    ssize_t n = pread(fd, buffer, sizeof buffer, at);
    if (n < 0) return 1;
    n = (ssize_t)strnlen(buffer, (size_t)n);  // what comes behind is not written yet
    if (n == 0) usleep(50000);
    at += n;
    for (ssize_t done = 0; done < n;) {
      ssize_t k = write(1, buffer + done, (size_t)(n - done));
      if (k <= 0) return 1;
      done += k;
    }
  }
}

// One request; the status of the answer, or 0 where there is none within a second.
static int status_of(const struct sockaddr *address, socklen_t size, const char *path) {
  char text[LONG_PATH];
  int status = 0;
  int fd = socket(address->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return 0;
  struct timeval second = {.tv_sec = 1};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second);
  setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &second, sizeof second);
  int length = snprintf(text, sizeof text, "GET /%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n", path);
  if (connect(fd, address, size) == 0 && send(fd, text, (size_t)length, MSG_NOSIGNAL) == length) {
    ssize_t n = read(fd, text, 15);
    text[n > 0 ? n : 0] = 0;
    if (sscanf(text, "HTTP/%*d.%*d %d", &status) != 1) status = 0;
    // To the end, so that the program does not find its connection broken.
    while (n > 0) n = read(fd, text, sizeof text);
  }
  close(fd);
  return status;
}

// Prints the wall clock at the first good answer, in nanoseconds: the same clock as the trace's t0.
int probe(const char *target) {
  char *path;
  uint16_t port = htons((uint16_t)strtoul(target, &path, 10));
  if (*path == '/') path++;
  struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_port = port, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
  struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_port = port, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
  for (;;) {
    int status = status_of((struct sockaddr *)&v4, sizeof v4, path);
    if (!status) status = status_of((struct sockaddr *)&v6, sizeof v6, path);
    if (status >= 200 && status < 400) {
      struct timespec now;
      clock_gettime(CLOCK_REALTIME, &now);
      printf("%lld%09ld\n", (long long)now.tv_sec, now.tv_nsec);
      return 0;
    }
    usleep(20000);
  }
}
