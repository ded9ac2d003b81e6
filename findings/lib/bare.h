/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A freestanding 32-bit program that a Multiboot loader starts: no interrupts, no paging, words by port 0xe9, or by WORDS.
 */
#ifndef WORDS
#define WORDS 0xe9
#endif

typedef unsigned int u32;
typedef unsigned long long u64;

/* what the program demands of its loader (bit 2: a video mode, of 1024 by 768 with 32 bits), and the loader's answer */
#ifndef MULTIBOOT_FLAGS
#define MULTIBOOT_FLAGS "0"
#endif
const u32 *boot_info;

asm(".section .multiboot, \"ax\"; .balign 4; .long 0x1badb002, " MULTIBOOT_FLAGS ", -0x1badb002 - " MULTIBOOT_FLAGS "\n"
    ".long 0, 0, 0, 0, 0, 0, 1024, 768, 32; .text; .globl _start\n"
    "_start: mov $stack_end, %esp; mov %ebx, boot_info; call probe; mov $0, %al; out %al, $0xf4; 1: hlt; jmp 1b\n"
    ".bss; .balign 16; .skip 16384; stack_end: .text");

static inline void outb(unsigned short port, unsigned char v) { asm volatile("outb %0, %1" : : "a" (v), "Nd" (port)); }

static inline unsigned char inb(unsigned short port)
{
	unsigned char v;

	asm volatile("inb %1, %0" : "=a" (v) : "Nd" (port));
	return v;
}

static inline void say(const char *s)
{
	while (*s)
		outb(WORDS, *s++);
}

/* NAME=0xVALUE, without leading zeros */
static inline void tell(const char *name, u32 v)
{
	int i = 28;

	say(name);
	say("=0x");
	while (i && !(v >> i))
		i -= 4;
	for (; i >= 0; i -= 4)
		outb(WORDS, "0123456789abcdef"[v >> i & 15]);
	outb(WORDS, '\n');
}

void probe(void);
