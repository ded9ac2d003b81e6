/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * The language of the control socket: a line in, a line out.
 */
#ifndef KEEL_COMMAND_H
#define KEEL_COMMAND_H

#include <stddef.h>

struct control;
struct control_client;

/**
 * command_do() - do what a line asks
 * @client: has the line, and the files it may have passed, which are taken from it.
 * @length: of the line without its newline; anything may be in it.
 * @size: gets the bytes of the answer.
 *
 * Sets control->is_quitting if the machine is to end.
 *
 * Return: the answer, a line with its newline, to be freed; NULL without memory.
 */
char *command_do(struct control *control, struct control_client *client, size_t length, size_t *size);

/**
 * command_drop_files() - close the files that @client has passed
 */
void command_drop_files(struct control_client *client);

/**
 * command_refuse() - an answer that says "no", for @error
 * Return: as of command_do().
 */
char *command_refuse(const char *error, size_t *size);

/**
 * command_warm_up() - have the library ask the system now for what it asks for once
 */
void command_warm_up(void);

#endif
