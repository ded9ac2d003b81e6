/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Descriptors that go along with a message of a unix socket (unix(7), SCM_RIGHTS).
 */
#ifndef KEEL_PASSED_FILES_H
#define KEEL_PASSED_FILES_H

#include <string.h>
#include <sys/socket.h>

/**
 * passed_files_put() - have @count descriptors go along with @message
 * @room: CMSG_SPACE() of them, aligned as a struct cmsghdr; stays until the message is sent
 */
static inline void passed_files_put(struct msghdr *message, void *room, const int *files, unsigned int count)
{
	message->msg_control = room;
	message->msg_controllen = CMSG_SPACE(count * sizeof(int));

	struct cmsghdr *part = CMSG_FIRSTHDR(message);

	part->cmsg_level = SOL_SOCKET;
	part->cmsg_type = SCM_RIGHTS;
	part->cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(part), files, count * sizeof(int));
}

/**
 * passed_files_take() - hand each descriptor that came with @message to @take, which keeps or closes it
 */
static inline void passed_files_take(struct msghdr *message, void (*take)(void *argument, int file), void *argument)
{
	for (struct cmsghdr *part = CMSG_FIRSTHDR(message); part; part = CMSG_NXTHDR(message, part)) {
		size_t count = part->cmsg_len > CMSG_LEN(0) ? (part->cmsg_len - CMSG_LEN(0)) / sizeof(int) : 0;
		int file;

		for (size_t i = 0; part->cmsg_type == SCM_RIGHTS && i < count; i++) {
			memcpy(&file, CMSG_DATA(part) + i * sizeof(int), sizeof(int));
			take(argument, file);
		}
	}
}

#endif
