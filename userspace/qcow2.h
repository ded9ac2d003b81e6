/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Reading qcow2 images.
 */
#ifndef KEEL_QCOW2_H
#define KEEL_QCOW2_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/uio.h>

struct qcow2;

/**
 * qcow2_is_one() - does the file begin as such an image does?
 */
bool qcow2_is_one(int fd);

/**
 * qcow2_open() - look at the header; the image is not trusted
 * @fd: stays open as long as the image is used; the disk's reader alone uses the image.
 * @wrong: gets what is wrong with it.
 *
 * Return: the image, NULL if it cannot be read.
 */
struct qcow2 *qcow2_open(int fd, const char **wrong);

/**
 * qcow2_close() - release the image; harmless on NULL
 */
void qcow2_close(struct qcow2 *image);

/**
 * qcow2_size() - bytes of the disk in it
 */
uint64_t qcow2_size(const struct qcow2 *image);

/**
 * qcow2_read() - read from the disk at @at into @parts
 * @moved: gets the bytes that were read added, also in case of an error.
 * @wrong: gets what is wrong, in case of an error.
 *
 * All of it must lie on the disk. Return: false on an error.
 */
bool qcow2_read(struct qcow2 *image, const struct iovec *parts, unsigned int number, uint64_t at, uint64_t *moved,
		const char **wrong);

#endif
