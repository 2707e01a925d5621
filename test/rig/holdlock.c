/*
 * holdlock FILE...: holds a write lock (fcntl) on each file until it is killed or the first file is gone.
 * That makes an unmodified SoftHSM hang where it reads the token: the rig's `fault hang`. Prints "held" when
 * it has them all.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 5000

static void sleep_ms(long ms)
{
    nanosleep(&(struct timespec){ms / 1000, ms % 1000 * 1000000}, NULL);
}

/* 0 or an errno. */
static int hold(const char *path)
{
    struct flock whole = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return errno;
    for (int waited = 0; fcntl(fd, F_SETLK, &whole); waited++) {
        if ((errno != EACCES && errno != EAGAIN) || waited == PATIENCE_MS)
            return errno;
        sleep_ms(1);
    }
    return 0;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: holdlock FILE...\n");
        return 2;
    }
    for (int i = 1; i < argc; i++) {
        int error = hold(argv[i]);
        if (error) {
            fprintf(stderr, "holdlock: %s: %s\n", argv[i], strerror(error));
            return 3;
        }
    }
    puts("held");
    fclose(stdout);
    while (!access(argv[1], F_OK))
        sleep_ms(200);
    return 0;
}
