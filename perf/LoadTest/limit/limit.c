/*
 * The least that a server can do: one thread, level-triggered epoll(7), no allocation while a peer keeps up. What it reaches is taken as the
 * limit of this machine. "limit echo" sends every byte back; "limit sink" counts them; "limit broadcast" sends what one receive brings to all others, with
 * one send for each. Prints its port; answers each line of standard input with the count, and ends with it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BUFFER = 256 * 1024, EVENTS = 512, BACKLOG = 4096 };

/* What the kernel did not take at once. While there is any, the connection is not read. */
struct connection {
    char *unsent;
    size_t length;
};

static struct connection *connections;
static char buffer[BUFFER];
static uint64_t received;
static int loop, listener, sink, broadcast;

/* Of a broadcast. */
static int *members;
static int member_count;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void watch(int operation, int fd, uint32_t events) {
    struct epoll_event event = { .events = events, .data.fd = fd };
    if (epoll_ctl(loop, operation, fd, &event) < 0) fail("epoll_ctl");
}

/* The first message, of nothing but its length, tells a connection that it is among the members. */
static void enter(int fd) {
    static const char welcome[] = { 0, 0, 0, 4 };
    members[member_count++] = fd;
    if (send(fd, welcome, sizeof welcome, MSG_NOSIGNAL) < 0) fail("send");
}

static void leave(int fd) {
    for (int i = 0; i < member_count; i++) {
        if (members[i] == fd) members[i--] = members[--member_count];
    }
}

/* The load is a closed loop: a receiver that has no room is a fault, and no case. */
static void send_to_others(int fd, const char *bytes, ssize_t length) {
    for (int i = 0; i < member_count; i++) {
        if (members[i] != fd && send(members[i], bytes, (size_t)length, MSG_NOSIGNAL) != length) fail("send");
    }
}

static void end(int fd) {
    leave(fd);
    free(connections[fd].unsent);
    connections[fd] = (struct connection){ 0 };
    close(fd);
}

static void accept_all(void) {
    int fd, on = 1;
    while ((fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK)) >= 0) {
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
        watch(EPOLL_CTL_ADD, fd, EPOLLIN);
        if (broadcast) enter(fd);
    }
}

static void send_back(int fd, const char *bytes, size_t length) {
    ssize_t sent = send(fd, bytes, length, MSG_NOSIGNAL);
    if (sent == (ssize_t)length) return;
    if (sent < 0 && errno != EAGAIN) {
        end(fd);
        return;
    }

    size_t done = sent < 0 ? 0 : (size_t)sent;
    struct connection *connection = &connections[fd];
    connection->length = length - done;
    connection->unsent = malloc(connection->length);
    if (!connection->unsent) fail("malloc");
    memcpy(connection->unsent, bytes + done, connection->length);
    watch(EPOLL_CTL_MOD, fd, EPOLLOUT);
}

static void send_rest(int fd) {
    struct connection *connection = &connections[fd];
    ssize_t sent = send(fd, connection->unsent, connection->length, MSG_NOSIGNAL);
    if (sent < 0) {
        if (errno != EAGAIN) end(fd);
        return;
    }

    connection->length -= (size_t)sent;
    if (connection->length > 0) {
        memmove(connection->unsent, connection->unsent + sent, connection->length);
        return;
    }

    free(connection->unsent);
    connection->unsent = NULL;
    watch(EPOLL_CTL_MOD, fd, EPOLLIN);
}

static void receive(int fd) {
    ssize_t count = recv(fd, buffer, BUFFER, 0);
    if (count > 0) {
        if (sink) received += (uint64_t)count;
        else if (broadcast) send_to_others(fd, buffer, count);
        else send_back(fd, buffer, (size_t)count);
    } else if (count == 0 || errno != EAGAIN) {
        end(fd);
    }
}

int main(int argc, char **argv) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;
    struct rlimit files;
    sink = argc > 1 && strcmp(argv[1], "sink") == 0;
    broadcast = argc > 1 && strcmp(argv[1], "broadcast") == 0;
    getrlimit(RLIMIT_NOFILE, &files);
    connections = calloc(files.rlim_cur, sizeof *connections);
    members = calloc(files.rlim_cur, sizeof *members);
    loop = epoll_create1(0);
    listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
    if (!connections || !members || bind(listener, (struct sockaddr *)&address, length) < 0 || listen(listener, BACKLOG) < 0) fail("listen");
    getsockname(listener, (struct sockaddr *)&address, &length);
    watch(EPOLL_CTL_ADD, listener, EPOLLIN);
    watch(EPOLL_CTL_ADD, STDIN_FILENO, EPOLLIN);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);

    for (;;) {
        struct epoll_event events[EVENTS];
        int count = epoll_wait(loop, events, EVENTS, -1);
        for (int i = 0; i < count; i++) {
            int fd = events[i].data.fd;
            if (fd == listener) accept_all();
            else if (fd == STDIN_FILENO) {
                if (read(STDIN_FILENO, buffer, BUFFER) <= 0) return 0;
                printf("%" PRIu64 "\n", received);
                fflush(stdout);
            }
            else if (connections[fd].unsent) send_rest(fd);
            else receive(fd);
        }
    }
}
