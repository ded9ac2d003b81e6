/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Userfaultfd: who touches a page of this process that is not there waits until it is.
 */
#ifndef KEEL_FAULTS_H
#define KEEL_FAULTS_H

#include <stddef.h>
#include <stdint.h>

/**
 * faults_open() - a userfaultfd of this process that serves the kernel's faults as well
 *
 * It is this process's, not that of a child.
 * Return: a descriptor that does not block; -1 with errno where the host gives none.
 */
int faults_open(void);

/**
 * faults_why_not() - does the host give one?
 * @text: gets why not
 *
 * Return: NULL if it does; else @text.
 */
const char *faults_why_not(char *text, size_t size);

/**
 * faults_watch() - from here on, whoever touches a page of these bytes that is not there waits
 * Return: 0 or a negative errno.
 */
int faults_watch(int fd, uint8_t *host, uint64_t len);

/**
 * faults_forget() - the end of that for all that was watched of these bytes: pages that are not there are zeros
 */
void faults_forget(int fd, uint8_t *host, uint64_t len);

/**
 * faults_take() - who has touched something that was not taken yet?
 * @pages: gets the pages, @room of them at most
 *
 * Return: how many.
 */
unsigned int faults_take(int fd, uint8_t **pages, unsigned int room);

/**
 * faults_copy() - put pages where none are, and wake nobody
 * Return: 0 or a negative errno.
 */
int faults_copy(int fd, uint8_t *host, const uint8_t *pages, uint64_t len);

/**
 * faults_zero() - put zeros where nothing is, and wake who waits for them
 * Return: 0 or a negative errno: -EEXIST if something is there.
 */
int faults_zero(int fd, uint8_t *host, uint64_t len);

/**
 * faults_wake() - have who waits for these bytes look again
 */
void faults_wake(int fd, uint8_t *host, uint64_t len);

#endif
