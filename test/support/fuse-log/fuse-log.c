// The judge of the tracer: a read-only file system that passes a folder through and writes down what the kernel asks it
// for, which is what a lazily loading snapshotter would be asked for. It shares nothing with the tracer.
//
//   fuse-log FOLDER MOUNTPOINT >LOG      (stays in the foreground; ends when it is unmounted)
//
// One line for each call: "open\tPATH\n", "read\tOFFSET\tLENGTH\tPATH\n" with the bytes that were really there.
#define FUSE_USE_VERSION 31
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <fuse.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

static const char *folder;
static FILE *output;

static const char *inside(const char *path) {
  static char full[2 * PATH_MAX];
  snprintf(full, sizeof full, "%s%s", folder, path);
  return full;
}

static int result(int value) { return value < 0 ? -errno : value; }

static void *do_init(struct fuse_conn_info *connection, struct fuse_config *config) {
  (void)connection;
  // The folder does not change: each page is asked for once, as a snapshotter's kernel cache has it.
  config->kernel_cache = 1;
  config->use_ino = 1;
  config->entry_timeout = config->attr_timeout = config->negative_timeout = 3600;
  return 0;
}

static int do_getattr(const char *path, struct stat *st, struct fuse_file_info *file) {
  (void)file;
  return result(lstat(inside(path), st));
}

static int do_readlink(const char *path, char *target, size_t size) {
  ssize_t n = readlink(inside(path), target, size - 1);
  if (n < 0) return -errno;
  target[n] = 0;
  return 0;
}

static int do_readdir(const char *path, void *buffer, fuse_fill_dir_t fill, off_t offset, struct fuse_file_info *file,
                      enum fuse_readdir_flags flags) {
  (void)offset, (void)file, (void)flags;
  DIR *list = opendir(inside(path));
  if (!list) return -errno;
  for (struct dirent *entry; (entry = readdir(list));) {
    struct stat st = {.st_ino = entry->d_ino, .st_mode = DTTOIF(entry->d_type)};
    if (fill(buffer, entry->d_name, &st, 0, 0)) break;
  }
  closedir(list);
  return 0;
}

static int do_open(const char *path, struct fuse_file_info *file) {
  int fd = open(inside(path), O_RDONLY);
  if (fd < 0) return -errno;
  file->fh = (uint64_t)fd;
  fprintf(output, "open\t%s\n", path);
  return 0;
}

static int do_read(const char *path, char *buffer, size_t size, off_t offset, struct fuse_file_info *file) {
  ssize_t n = pread((int)file->fh, buffer, size, offset);
  if (n < 0) return -errno;
  if (n > 0) fprintf(output, "read\t%lld\t%zd\t%s\n", (long long)offset, n, path);
  return (int)n;
}

static int do_release(const char *path, struct fuse_file_info *file) {
  (void)path;
  return result(close((int)file->fh));
}

static int do_statfs(const char *path, struct statvfs *st) { return result(statvfs(inside(path), st)); }

static const struct fuse_operations operations = {
  .init = do_init, .getattr = do_getattr, .readlink = do_readlink, .readdir = do_readdir, .open = do_open,
  .read = do_read, .release = do_release, .statfs = do_statfs,
};

int main(int argc, char **argv) {
  if (argc != 3) return 64;
  folder = argv[1];
  output = fdopen(dup(1), "w");
  setvbuf(output, 0, _IOLBF, 0);
  // Singly threaded, so that the log has the order of the calls.
  char *arguments[] = {argv[0], "-f", "-s", "-o", "ro,allow_other,default_permissions,suid", argv[2], 0};
  return fuse_main(6, arguments, &operations, 0);
}
