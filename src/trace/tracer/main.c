// An injected tracer of a container's start (ptrace + seccomp + page maps), one static program.
//
//   tracer -o FILE [-l LEVEL] [-u UID:GID[:GROUP,…]] [-c] [-d CAP[,CAP]] [-N] [-P] [-R] [-n] -- COMMAND [ARGUMENT…]
//     -l  1: open and exec, 2 (default): + read and mmap, 3: + stat, readlink, getdents
//     -u  the program runs as this user; the tracer stays what it is
//     -c  setuid programs keep working: the filter is installed by CAP_SYS_ADMIN, not under no_new_privs
//     -d  numbers of capabilities that the program does not get, though the container has them
//     -N  no filter: stop at every call (slow; chosen by itself where filters are refused)
//     -P  no page maps      -R  stop at every call of the table and read it from registers, as on kernels before 5.3
//     -n  not traced: only the clock at the start and the ports that are listened on, to time a start by itself
//   tracer -S FILE   in the same container: ask for the pages touched until now and for the mark "ready", and wait
//   tracer -F FILE   in the same container: copy the trace to stdout as it grows
//   tracer -H PORT/PATH   in the same container: ask this over HTTP until the answer is 2xx or 3xx
//
// The program stays PID 1 and the tracer is its child; made by clone without an exit signal, it is invisible to the
// program's wait() and sends no SIGCHLD. Whatever goes wrong with tracing, the program is started all the same, and
// one line on stderr that begins with "soci-lens tracer:" says why there is no trace.
#include "tracer.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct settings settings = {.level = 2, .pages = true, .filter = true};

void complain(const char *what) { dprintf(2, "soci-lens tracer: %s: %s\n", what, strerror(errno)); }

static void on_signal(int signal) {
  (void)signal;
  snapshot_wanted = true;
  listener_wake();
}

// The tracer's side of the start: 'g' (go) when the program is seized, then 'f' or 'n' comes back: with or without a
// filter; and behind it the filter's listener.
static int tracer_process(int app, int link) {
  struct sigaction action = {.sa_handler = on_signal};
  sigaddset(&action.sa_mask, SIGCHLD);
  sigaction(SIGUSR1, &action, 0);
  const int ignored[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE, SIGQUIT, SIGXFSZ, SIGTSTP, SIGTTOU};
  for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) signal(ignored[i], SIG_IGN);
  setsid();
  prctl(PR_SET_NAME, "soci-tracer");
  if (!output_open(settings.output)) return complain(settings.output), 96;
  if (!settings.time_only && !seize(app)) return complain("ptrace"), 95;
  char answer;
  if (write(link, "g", 1) != 1 || read(link, &answer, 1) != 1) return 94;
  settings.filter = answer == 'f';
  const int listener = settings.filter ? listener_receive(link) : -1;
  close(link);
  const char *how = listener >= 0 ? "seccomp-notify" : "ptrace-seccomp";
  const char *mode = !settings.filter ? "ptrace" : settings.keep_setuid ? "compat" : how;
  header_write(app, getpid(), settings.time_only ? "untraced" : mode);
  // Its standard streams must not keep the container's log open.
  int null = open("/dev/null", O_RDWR);
  for (int fd = 0; fd < 3; fd++) null >= 0 ? dup2(null, fd) : close(fd);
  if (null > 2) close(null);
  if (settings.time_only) watch_ports();
  trace_loop(app, listener);
  return 0;
}

// Takes capabilities away from the program, now and after any exec. Best effort: without CAP_SETPCAP it keeps them.
static void drop_capabilities(const char *list) {
  struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
  struct __user_cap_data_struct data[2];
  bool known = syscall(SYS_capget, &header, data) == 0;
  for (const char *s = list; *s; s += strcspn(s, ","), s += *s == ',') {
    unsigned cap = (unsigned)atoi(s);
    prctl(PR_CAPBSET_DROP, cap);
    uint32_t keep = ~(1u << cap % 32);
    data[cap / 32 % 2].effective &= keep;
    data[cap / 32 % 2].permitted &= keep;
    data[cap / 32 % 2].inheritable &= keep;
  }
  if (known) syscall(SYS_capset, &header, data);
}

static bool become(const char *user) {
  gid_t groups[64], gid = 0;
  size_t count = 0;
  const char *field = strchr(user, ':');
  if (field) gid = (gid_t)strtoul(field + 1, 0, 10);
  field = field ? strchr(field + 1, ':') : 0;
  for (; field && count < 64; field = strchr(field + 1, ',')) groups[count++] = (gid_t)strtoul(field + 1, 0, 10);
  if (!count) groups[count++] = gid;
  return setgroups(count, groups) == 0 && setgid(gid) == 0 && setuid((uid_t)strtoul(user, 0, 10)) == 0;
}

// As runc looks a command up: PATH, regular and executable files only, no shell for files without #!.
static void run(char **argv) {
  char file[LONG_PATH];
  int error = ENOENT;
  if (strchr(argv[0], '/')) {
    execv(argv[0], argv);
    return;
  }
  const char *path = getenv("PATH");
  if (!path) path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
  while (*path) {
    size_t n = strcspn(path, ":");
    struct stat st;
    snprintf(file, sizeof file, "%.*s/%s", n ? (int)n : 1, n ? path : ".", argv[0]);
    if (stat(file, &st) == 0 && S_ISREG(st.st_mode) && access(file, X_OK) == 0) {
      execv(file, argv);
      error = errno;
    }
    path += n + (path[n] == ':');
  }
  errno = error;
}

int main(int argc, char **argv) {
  const char *user = 0, *drop = 0;
  int option;
  while ((option = getopt(argc, argv, "+o:l:u:d:cNPRnS:F:H:")) != -1) {
    switch (option) {
      case 'o': settings.output = optarg; break;
      case 'l': settings.level = atoi(optarg); break;
      case 'u': user = optarg; break;
      case 'd': drop = optarg; break;
      case 'c': settings.keep_setuid = true; break;
      case 'N': settings.filter = false; break;
      case 'P': settings.pages = false; break;
      case 'R': settings.registers = true; break;
      case 'n': settings.time_only = true; break;
      case 'S': return ask_for_snapshot(optarg);
      case 'F': return follow(optarg);
      case 'H': return probe(optarg);
      default: return 64;
    }
  }
  if (optind >= argc || !settings.output) return 64;

  int link[2], app = getpid();
  bool traced = false;
  long child = -1;
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, link) == 0) {
    child = syscall(SYS_clone, 0, 0, 0, 0, 0);
    if (child == 0) {
      close(link[0]);
      _exit(tracer_process(app, link[1]));
    }
    if (child < 0) complain("clone");
    close(link[1]);
  } else {
    complain("socketpair");
  }
  if (child > 0) {
    char go;
    prctl(PR_SET_PTRACER, child, 0, 0, 0);  // where Yama allows only named tracers
    traced = read(link[0], &go, 1) == 1;
    if (!traced) waitpid((pid_t)child, 0, __WCLONE);
  }
  if (traced) {
    bool filter = settings.filter && !settings.time_only;
    if (filter && !settings.keep_setuid) prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    // What another user may open cannot be told by the tracer.
    const bool quick = !settings.registers && !settings.keep_setuid && !user;
    int listener = -1;
    if (filter && install_filter(quick, &listener)) {
      complain("seccomp");
      filter = false;
    }
    if (write(link[0], filter ? "f" : "n", 1) != 1 || (filter && !listener_send(link[0], listener))) complain("tracer");
    if (listener >= 0) close(listener);
  }
  close(link[0]);
  if (drop) drop_capabilities(drop);
  if (user && !become(user)) return complain("user"), 93;
  // A process that has changed its user is not "dumpable", and so not to be looked into, until it says so.
  if (user) prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);

  run(argv + optind);
  const int error = errno;
  dprintf(2, "soci-lens tracer: exec %s: %s\n", argv[optind], strerror(error));
  return error == ENOENT ? 127 : 126;
}
