/*
 * The least that a datagram server can do: one thread, recvmmsg(2) and sendmmsg(2) of 64 datagrams. "limit-udp echo" sends each back;
 * "limit-udp sink" counts them; "limit-udp source" sends as many as a datagram asks for, with "segment" as segments of larger ones
 * (UDP_SEGMENT, udp(7)). Prints its port; answers each line of standard input with the count, and ends with it.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103
#endif

/* A full batch is followed by another without poll(2), but not for ever: standard input is to be heard, too. */
enum { BATCH = 64, SLOT = 2048, FULL_BATCHES = 16, RECEIVE_BUFFER = 4 << 20 };

/* What is asked of a source: a number, and how many datagrams. Each has the number, its index, and bytes that count up. */
enum { PAYLOAD = 1200, HEADER = 12, SEGMENTS = 65507 / PAYLOAD };

static struct mmsghdr in[BATCH], out[BATCH];
static struct iovec in_parts[BATCH], out_parts[BATCH];
static struct sockaddr_in peers[BATCH];
static char received_bytes[BATCH][SLOT], sent_bytes[BATCH * PAYLOAD];
static char control[CMSG_SPACE(sizeof(uint16_t))];
static uint64_t received;
static int fd;

static void fail(const char *what) {
    perror(what);
    exit(1);
}

static void wait_for(struct pollfd *watched, int count) {
    if (poll(watched, (nfds_t)count, -1) < 0 && errno != EINTR) fail("poll");
}

static void send_all(struct mmsghdr *messages, int count) {
    struct pollfd writable = { .fd = fd, .events = POLLOUT };
    while (count > 0) {
        int sent = sendmmsg(fd, messages, (unsigned)count, MSG_DONTWAIT);
        if (sent < 0 && errno == EAGAIN) {
            wait_for(&writable, 1);
            continue;
        }

        /* The first one failed: it is lost, the others are not. */
        if (sent < 0) sent = 1;
        messages += sent;
        count -= sent;
    }
}

static void echo(int count) {
    for (int i = 0; i < count; i++) {
        out_parts[i].iov_base = received_bytes[i];
        out_parts[i].iov_len = in[i].msg_len;
        out[i].msg_hdr.msg_name = &peers[i];
    }

    send_all(out, count);
}

static void name_datagram(char *datagram, uint64_t number, uint32_t index) {
    memcpy(datagram, &number, sizeof number);
    memcpy(datagram + sizeof number, &index, sizeof index);
}

static void source(struct sockaddr_in *peer, const char *question, int segment) {
    uint64_t number;
    uint32_t wanted, done = 0;
    memcpy(&number, question, sizeof number);
    memcpy(&wanted, question + sizeof number, sizeof wanted);
    while (done < wanted) {
        uint32_t most = segment ? SEGMENTS : BATCH, count = wanted - done < most ? wanted - done : most;
        for (uint32_t i = 0; i < count; i++) {
            name_datagram(sent_bytes + i * PAYLOAD, number, done + i);
            out_parts[i] = (struct iovec){ sent_bytes + i * PAYLOAD, segment ? count * PAYLOAD : PAYLOAD };
            out[i].msg_hdr.msg_name = peer;
        }

        send_all(out, segment ? 1 : (int)count);
        done += count;
    }
}

static void prepare(int segment) {
    for (int i = 0; i < BATCH; i++) {
        in_parts[i] = (struct iovec){ received_bytes[i], SLOT };
        in[i].msg_hdr = (struct msghdr){ .msg_name = &peers[i], .msg_iov = &in_parts[i], .msg_iovlen = 1 };
        out[i].msg_hdr = (struct msghdr){ .msg_namelen = sizeof peers[i], .msg_iov = &out_parts[i], .msg_iovlen = 1 };
    }

    for (int i = 0; i < BATCH * PAYLOAD; i++) sent_bytes[i] = (char)(i % PAYLOAD);
    if (segment) {
        struct cmsghdr *header = (struct cmsghdr *)control;
        uint16_t size = PAYLOAD;
        header->cmsg_level = IPPROTO_UDP;
        header->cmsg_type = UDP_SEGMENT;
        header->cmsg_len = CMSG_LEN(sizeof size);
        memcpy(CMSG_DATA(header), &size, sizeof size);
        out[0].msg_hdr.msg_control = control;
        out[0].msg_hdr.msg_controllen = sizeof control;
    }
}

int main(int argc, char **argv) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;
    int is_sink = argc > 1 && strcmp(argv[1], "sink") == 0, is_source = argc > 1 && strcmp(argv[1], "source") == 0;
    int segment = argc > 2 && strcmp(argv[2], "segment") == 0, size = RECEIVE_BUFFER;
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) < 0) fail("bind");
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    getsockname(fd, (struct sockaddr *)&address, &length);
    prepare(segment);
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);

    for (;;) {
        struct pollfd watched[] = { { .fd = fd, .events = POLLIN }, { .fd = STDIN_FILENO, .events = POLLIN } };
        wait_for(watched, 2);
        if (watched[1].revents) {
            char line[256];
            if (read(STDIN_FILENO, line, sizeof line) <= 0) return 0;
            printf("%" PRIu64 "\n", received);
            fflush(stdout);
        }

        for (int batch = 0, count = BATCH; count == BATCH && batch < FULL_BATCHES; batch++) {
            for (int i = 0; i < BATCH; i++) in[i].msg_hdr.msg_namelen = sizeof peers[i];
            count = recvmmsg(fd, in, BATCH, MSG_DONTWAIT, NULL);
            if (count <= 0) break;
            received += (uint64_t)count;
            if (is_source) for (int i = 0; i < count; i++) source(&peers[i], received_bytes[i], segment);
            else if (!is_sink) echo(count);
        }
    }
}
