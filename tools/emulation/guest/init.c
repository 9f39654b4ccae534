/* First process of the emulated machine: runs /program with the arguments and the
 * environment in /arguments and /environment (each a list of NUL-terminated strings).
 *
 * What the program writes to standard output goes byte for byte to port 0xe9, which Bochs
 * copies to its own standard output, between a BEGIN line and an END line with the exit
 * status; its standard error goes to the second serial port, which Bochs writes to a file.
 * Then the machine is switched off.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
    PORT_OUTPUT = 0xe9,
    PORT_SERIAL = 0x2f8, /* second serial port */
    PORT_POWER = 0x8900,
    SERIAL_LINE_STATUS = PORT_SERIAL + 5,
    SERIAL_CAN_TAKE = 0x20,
    SERIAL_EMPTY = 0x40,
    MAX_ARGUMENTS = 4096,
    MAX_ENVIRONMENT = 1024,
};

static char buffer[65536];
static char argument_bytes[65536], environment_bytes[65536];
static char *arguments[MAX_ARGUMENTS], *environment[MAX_ENVIRONMENT];
static char last_output = '\n';

static void write_output(const char *bytes, size_t len) {
    if (len > 0)
        last_output = bytes[len - 1];
    __asm__ volatile("rep outsb" : "+S"(bytes), "+c"(len) : "d"(PORT_OUTPUT) : "memory");
}

static void write_serial(const char *bytes, size_t len) {
    for (size_t i = 0; i < len; i++) {
        while (!(inb(SERIAL_LINE_STATUS) & SERIAL_CAN_TAKE)) {
        }
        outb((unsigned char)bytes[i], PORT_SERIAL);
    }
}

/* 115200 baud, 8 bits, no parity, no interrupts. */
static void open_serial(void) {
    outb(0x00, PORT_SERIAL + 1);
    outb(0x80, PORT_SERIAL + 3);
    outb(0x01, PORT_SERIAL);
    outb(0x00, PORT_SERIAL + 1);
    outb(0x03, PORT_SERIAL + 3);
}

static void finish(int status) {
    char line[64];
    int len = snprintf(line, sizeof line, "%s@@GUEST-END %d@@\n", last_output == '\n' ? "" : "\n", status);
    while (!(inb(SERIAL_LINE_STATUS) & SERIAL_EMPTY)) {
    }
    write_output(line, (size_t)len);
    for (const char *word = "Shutdown"; *word; word++)
        outb((unsigned char)*word, PORT_POWER);
    for (;;)
        pause();
}

static void fail(const char *what) {
    int len = snprintf(buffer, sizeof buffer, "guest init: %s: %s\n", what, strerror(errno));
    write_serial(buffer, (size_t)len);
    finish(125);
}

/* Fills list with pointers to the strings of the file, from index at on. */
static void read_strings(const char *path, char *bytes, size_t cap, char **list, size_t at, size_t max) {
    size_t len = 0;
    ssize_t got;
    int fd = open(path, O_RDONLY);
    if (fd < 0)
        fail(path);
    while (len < cap - 1 && (got = read(fd, bytes + len, cap - 1 - len)) > 0)
        len += (size_t)got;
    close(fd);
    for (size_t i = 0; i < len; i += strlen(bytes + i) + 1) {
        if (len == cap - 1 || at == max - 1) {
            errno = E2BIG;
            fail(path);
        }
        list[at++] = bytes + i;
    }
}

static void mount_all(void) {
    static const struct {
        const char *path, *type;
    } mounts[] = {
        {"/dev", "devtmpfs"}, {"/proc", "proc"}, {"/sys", "sysfs"}, {"/tmp", "tmpfs"}, {"/dev/shm", "tmpfs"},
    };
    for (size_t i = 0; i < sizeof mounts / sizeof *mounts; i++) {
        mkdir(mounts[i].path, 01777);
        if (mount(mounts[i].type, mounts[i].path, mounts[i].type, 0, NULL) != 0)
            fail(mounts[i].path);
    }
}

static pid_t start_program(int output, int error) {
    pid_t pid = fork();
    if (pid < 0)
        fail("fork");
    if (pid > 0)
        return pid;
    int input = open("/dev/null", O_RDONLY);
    /* The program has no business with I/O ports. */
    if (iopl(0) != 0 || dup2(input, 0) < 0 || dup2(output, 1) < 0 || dup2(error, 2) < 0 || chdir("/work") != 0)
        _exit(125);
    close_range(3, ~0U, 0);
    execve("/program", arguments, environment);
    dprintf(2, "guest init: cannot run %s: %s (is it a static x86_64 program?)\n", arguments[0], strerror(errno));
    _exit(127);
}

/* Relays both pipes until the program has ended and its output is through. A child that it
 * left behind may keep the pipes open: that is not waited for. */
static int relay(pid_t pid, int output, int error) {
    struct pollfd pipes[2] = {{output, POLLIN, 0}, {error, POLLIN, 0}};
    int status = 0, ended = 0;
    while (pipes[0].fd >= 0 || pipes[1].fd >= 0) {
        int ready = poll(pipes, 2, ended ? 0 : 50);
        if (ready == 0 && ended)
            return status;
        if (ready == 0)
            ended = waitpid(pid, &status, WNOHANG) == pid;
        for (int i = 0; ready > 0 && i < 2; i++) {
            if (pipes[i].fd < 0 || pipes[i].revents == 0)
                continue;
            ssize_t got = read(pipes[i].fd, buffer, sizeof buffer);
            if (got <= 0)
                pipes[i].fd = -1;
            else if (i == 0)
                write_output(buffer, (size_t)got);
            else
                write_serial(buffer, (size_t)got);
        }
    }
    if (!ended)
        waitpid(pid, &status, 0);
    return status;
}

int main(void) {
    int output[2], error[2];
    if (iopl(3) != 0)
        return 1; /* the kernel panics and Bochs ends without an END line */
    open_serial();
    mount_all();
    read_strings("/arguments", argument_bytes, sizeof argument_bytes, arguments, 0, MAX_ARGUMENTS);
    environment[0] = "HOME=/tmp";
    environment[1] = "TMPDIR=/tmp";
    read_strings("/environment", environment_bytes, sizeof environment_bytes, environment, 2, MAX_ENVIRONMENT);
    if (pipe(output) != 0 || pipe(error) != 0)
        fail("pipe");
    write_output("\n@@GUEST-BEGIN@@\n", 17);
    pid_t pid = start_program(output[1], error[1]);
    close(output[1]);
    close(error[1]);
    int status = relay(pid, output[0], error[0]);
    finish(WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status));
}
