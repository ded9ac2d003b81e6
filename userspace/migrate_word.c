// SPDX-License-Identifier: GPL-2.0-only
/*
 * Words of one size, so that there is no length to believe. Before the end of a connection counts, or the end of a process, all is read that came before.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "migrate_word.h"
#include "passed_files.h"
#include "state_format.h"
#include "thread.h"
#include "util.h"

#define NO_MS	1000	/* for a last word */
#define END_MS	2000	/* for a process to be gone that has closed its files */

_Static_assert(sizeof(struct migrate_word) == 256, "as documented");

void migrate_peer_init(struct migrate_peer *peer, int fd)
{
	*peer = (struct migrate_peer){ .fd = fd, .process = -1 };
}

void migrate_peer_close(struct migrate_peer *peer)
{
	if (peer->fd >= 0)
		close(peer->fd);
	if (peer->process >= 0)
		close(peer->process);
	peer->fd = -1;
	peer->process = -1;
}

static ssize_t send_some(const struct migrate_peer *peer, const uint8_t *bytes, size_t count, int process)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control = { .room = "" };
	struct iovec part = { (void *)bytes, count };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1 };

	if (process < 0)
		return send(peer->fd, bytes, count, MSG_DONTWAIT | MSG_NOSIGNAL);
	passed_files_put(&message, &control, &process, 1);
	return sendmsg(peer->fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL);
}

bool migrate_say(const struct migrate_peer *peer, struct migrate_word *word, int process, int ms)
{
	const struct timespec until = thread_time_in((unsigned int)ms);
	struct pollfd wait = { .fd = peer->fd, .events = POLLOUT };
	const uint8_t *bytes = (const uint8_t *)word;
	size_t sent = 0;

	memcpy(word->magic, MIGRATE_WORD_MAGIC, sizeof(word->magic));
	word->version = MIGRATE_WORD_VERSION;
	word->checksum = state_checksum(word, offsetof(struct migrate_word, checksum));
	while (sent < sizeof(*word)) {
		ssize_t done = send_some(peer, bytes + sent, sizeof(*word) - sent, sent ? -1 : process);

		if (done < 0 && errno != EAGAIN && errno != EINTR)
			return false;
		if (done > 0) {
			sent += (size_t)done;
			continue;
		}
		if (thread_is_past(&until)) {
			errno = EAGAIN;
			return false;
		}
		poll(&wait, 1, 100);
	}
	return true;
}

void migrate_say_no(const struct migrate_peer *peer, const char *why)
{
	struct migrate_word word = { .kind = MIGRATE_WORD_NO };

	snprintf(word.text, sizeof(word.text), "%s", why);
	if (peer->fd >= 0)
		migrate_say(peer, &word, -1, NO_MS);
}

static enum migrate_event lose(struct migrate_peer *peer, const char *why)
{
	snprintf(peer->wrong, sizeof(peer->wrong), "%s", why);
	return MIGRATE_IS_LOST;
}

/* What a whole word means. */
static enum migrate_event judge(struct migrate_peer *peer)
{
	static const enum migrate_event events[] = {
		[MIGRATE_WORD_READY] = MIGRATE_HEARD_READY,
		[MIGRATE_WORD_ALL] = MIGRATE_HEARD_ALL,
		[MIGRATE_WORD_YOURS] = MIGRATE_HEARD_YOURS,
		[MIGRATE_WORD_MINE] = MIGRATE_HEARD_MINE,
		[MIGRATE_WORD_NO] = MIGRATE_HEARD_NO,
	};
	struct migrate_word *word = &peer->word;

	peer->used = 0;
	if (memcmp(word->magic, MIGRATE_WORD_MAGIC, sizeof(word->magic)) ||
	    word->checksum != state_checksum(word, offsetof(struct migrate_word, checksum)))
		return lose(peer, "what came is no word of Keel's");
	if (word->version != MIGRATE_WORD_VERSION)
		return lose(peer, "the other side speaks another version of the protocol");
	if (!word->kind || word->kind >= ARRAY_SIZE(events))
		return lose(peer, "the other side said a word that this version does not know");
	word->text[sizeof(word->text) - 1] = 0;
	/* It may be printed. */
	for (char *c = word->text; *c; c++)
		*c = *c < ' ' || *c > '~' ? '?' : *c;
	return events[word->kind];
}

/* Keep the first descriptor that comes, and close all others. */
static void take_process(void *argument, int file)
{
	struct migrate_peer *peer = argument;

	if (peer->process >= 0)
		close(file);
	else
		peer->process = file;
}

/* Return: false if a word is not whole yet. */
static bool receive(struct migrate_peer *peer, enum migrate_event *event)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(2 * sizeof(int))];
	} control;
	struct iovec part = { (uint8_t *)&peer->word + peer->used, sizeof(peer->word) - peer->used };
	struct msghdr message = { .msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof(control) };
	ssize_t got = recvmsg(peer->fd, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);

	if (got < 0 && (errno == EAGAIN || errno == EINTR))
		return false;
	if (got <= 0) {
		/* With words on their way to it that it does not read any more it is the latter. */
		*event = lose(peer, got && errno != ECONNRESET ? strerror(errno) : "the other side has ended the connection");
		return true;
	}
	passed_files_take(&message, take_process, peer);
	peer->used += (size_t)got;
	if (peer->used < sizeof(peer->word))
		return false;
	*event = judge(peer);
	return true;
}

/* A pidfd is readable once all threads of its process have ended, and with that its files are closed. */
static bool is_dead(const struct migrate_peer *peer, int ms)
{
	struct pollfd wait = { .fd = peer->process, .events = POLLIN };

	return peer->process >= 0 && poll(&wait, 1, ms) == 1 && wait.revents & POLLIN;
}

bool migrate_hear(struct migrate_peer *peer, int ms, enum migrate_event *event)
{
	const struct timespec until = thread_time_in((unsigned int)ms);

	do {
		struct pollfd waits[2] = { { .fd = peer->fd, .events = POLLIN }, { .fd = peer->process, .events = POLLIN } };
		int ready = poll(waits, 2, ms);

		/* Asked before what it has said is read: it says nothing more then. */
		bool is_over = ready > 0 && is_dead(peer, 0);

		while (peer->fd >= 0) {
			size_t before = peer->used;

			if (receive(peer, event)) {
				if (*event == MIGRATE_IS_LOST && (is_over || is_dead(peer, END_MS)))
					*event = MIGRATE_IS_DEAD;
				return true;
			}
			if (peer->used == before)
				break;
		}
		if (is_over) {
			*event = MIGRATE_IS_DEAD;
			return true;
		}
	} while (!thread_is_past(&until));
	return false;
}
