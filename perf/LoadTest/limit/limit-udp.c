/*
 * The least that a datagram server can do: one thread, recvmmsg(2) and sendmmsg(2) of 64 datagrams. "limit-udp echo" sends each back;
 * "limit-udp sink" counts them; "limit-udp source" sends as many as a datagram asks for. With "segment", source and echo send several
 * datagrams in one piece, which the kernel cuts (UDP_SEGMENT, udp(7)), and echo receives in pieces (UDP_GRO). Prints its port; answers
 * each line of standard input with the count, and ends with it.
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
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

/*
 * A full batch is followed by another without poll(2), but not for ever: standard input is to be heard, too. A piece may be as large as
 * the largest datagram; its slot is some lines of the cache larger, or all slots would begin in the same few of its sets.
 */
enum { BATCH = 64, SLOT = 2048, PIECE_SLOT = (1 << 16) + 1088, FULL_BATCHES = 16, RECEIVE_BUFFER = 4 << 20 };

/* Of what is sent in one piece. The kernel's UDP_MAX_SEGMENTS was raised later. */
enum { LARGEST_PIECE = 65507, MOST_SEGMENTS = 64 };

/* What is asked of a source: a number, and how many datagrams. Each has the number, its index, and bytes that count up. */
enum { PAYLOAD = 1200, HEADER = 12, SEGMENTS = LARGEST_PIECE / PAYLOAD };

static struct mmsghdr in[BATCH], out[BATCH];
static struct iovec in_parts[BATCH], out_parts[BATCH];
static struct sockaddr_in peers[BATCH];
static char received_bytes[BATCH * PIECE_SLOT], sent_bytes[BATCH * PAYLOAD];
static char in_control[BATCH][CMSG_SPACE(sizeof(int))], out_control[BATCH][CMSG_SPACE(sizeof(uint16_t))];
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

static void set_segment(struct msghdr *message, char *control, uint16_t size) {
    struct cmsghdr *header = (struct cmsghdr *)control;
    header->cmsg_level = IPPROTO_UDP;
    header->cmsg_type = UDP_SEGMENT;
    header->cmsg_len = CMSG_LEN(sizeof size);
    memcpy(CMSG_DATA(header), &size, sizeof size);
    message->msg_control = control;
    message->msg_controllen = CMSG_SPACE(sizeof size);
}

static void echo(int count) {
    for (int i = 0; i < count; i++) {
        out_parts[i].iov_base = in_parts[i].iov_base;
        out_parts[i].iov_len = in[i].msg_len;
        out[i].msg_hdr.msg_name = &peers[i];
    }

    send_all(out, count);
}

/* The size of the datagrams of a piece, of which only the last may be smaller. */
static size_t segment_size(struct mmsghdr *piece) {
    struct cmsghdr *header = CMSG_FIRSTHDR(&piece->msg_hdr);
    int size;
    if (!header || header->cmsg_level != IPPROTO_UDP || header->cmsg_type != UDP_GRO) return piece->msg_len;
    memcpy(&size, CMSG_DATA(header), sizeof size);
    return (size_t)size;
}

/* Pieces of one peer and of one size that follow each other are sent as one, as long as the one before has no smaller datagram at its end. */
static void echo_pieces(int count) {
    int messages = 0;
    size_t size = 0, length = 0;
    for (int i = 0; i < count; i++) {
        size_t own = segment_size(&in[i]), more = in[i].msg_len;
        struct msghdr *message = &out[messages - (messages > 0)].msg_hdr;
        struct sockaddr_in *before = message->msg_name;
        out_parts[i] = (struct iovec){ in_parts[i].iov_base, more };
        int joins = messages > 0 && own > 0 && own == size && length % size == 0 && length + more <= LARGEST_PIECE
            && (length + more + size - 1) / size <= MOST_SEGMENTS
            && before->sin_addr.s_addr == peers[i].sin_addr.s_addr && before->sin_port == peers[i].sin_port;
        if (joins) {
            message->msg_iovlen++;
            length += more;
        } else {
            message = &out[messages++].msg_hdr;
            *message = (struct msghdr){ .msg_name = &peers[i], .msg_namelen = sizeof peers[i], .msg_iov = &out_parts[i], .msg_iovlen = 1 };
            size = own;
            length = more;
        }

        if (length > size && !message->msg_control) set_segment(message, out_control[messages - 1], (uint16_t)size);
    }

    send_all(out, messages);
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

static void prepare(int segment, int pieces) {
    for (int i = 0; i < BATCH; i++) {
        size_t slot = pieces ? PIECE_SLOT : SLOT;
        in_parts[i] = (struct iovec){ received_bytes + (size_t)i * slot, slot };
        in[i].msg_hdr = (struct msghdr){ .msg_name = &peers[i], .msg_iov = &in_parts[i], .msg_iovlen = 1 };
        in[i].msg_hdr.msg_control = pieces ? in_control[i] : NULL;
        out[i].msg_hdr = (struct msghdr){ .msg_namelen = sizeof peers[i], .msg_iov = &out_parts[i], .msg_iovlen = 1 };
    }

    for (int i = 0; i < BATCH * PAYLOAD; i++) sent_bytes[i] = (char)(i % PAYLOAD);
    if (segment) set_segment(&out[0].msg_hdr, out_control[0], PAYLOAD);
}

int main(int argc, char **argv) {
    struct sockaddr_in address = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t length = sizeof address;
    int is_sink = argc > 1 && strcmp(argv[1], "sink") == 0, is_source = argc > 1 && strcmp(argv[1], "source") == 0;
    int segment = argc > 2 && strcmp(argv[2], "segment") == 0, pieces = segment && !is_sink && !is_source, size = RECEIVE_BUFFER, on = 1;
    fd = socket(AF_INET, SOCK_DGRAM, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) < 0) fail("bind");
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size);
    if (pieces && setsockopt(fd, IPPROTO_UDP, UDP_GRO, &on, sizeof on) < 0) fail("UDP_GRO");
    getsockname(fd, (struct sockaddr *)&address, &length);
    prepare(segment, pieces);
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
            for (int i = 0; i < BATCH; i++) {
                in[i].msg_hdr.msg_namelen = sizeof peers[i];
                in[i].msg_hdr.msg_controllen = pieces ? sizeof in_control[i] : 0;
            }

            count = recvmmsg(fd, in, BATCH, MSG_DONTWAIT, NULL);
            if (count <= 0) break;
            received += (uint64_t)count;
            if (is_source) for (int i = 0; i < count; i++) source(&peers[i], in_parts[i].iov_base, segment);
            else if (pieces) echo_pieces(count);
            else if (!is_sink) echo(count);
        }
    }
}
