/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A kernel for 1 MB that is entered by Multiboot or PVH, in flat 32-bit mode, and says on the serial port how: EAX, CR0,
 * the command line, the module's text, and how much memory the map has, modulo 4 GB. A line each.
 */
	.section .rodata
	.code32
	.balign 16
	.globl entry_guest, entry_guest_multiboot, entry_guest_pvh, entry_guest_end
entry_guest:
	/* Multiboot's header, with addresses or without: the test fills it in. */
	.fill 32, 1, 0

entry_guest_multiboot:
	mov $0x200000, %esp
	call begin
	mov 16(%ebx), %esi		/* cmdline */
	mov 24(%ebx), %edi		/* mods_addr, and of the first: mod_start */
	mov (%edi), %edi
	mov 48(%ebx), %ecx		/* mmap_addr, mmap_length */
	mov 44(%ebx), %edx
	add %ecx, %edx
	xor %eax, %eax
1:	cmpl $1, 20(%ecx)		/* type */
	jne 2f
	add 12(%ecx), %eax		/* length */
2:	add (%ecx), %ecx		/* size, of what follows */
	add $4, %ecx
	cmp %edx, %ecx
	jb 1b
	jmp finish

entry_guest_pvh:
	mov $0x200000, %esp
	call begin
	cmpl $0x336ec578, (%ebx)	/* magic */
	jne stop
	cmpl $1, 4(%ebx)		/* version */
	jne stop
	mov 24(%ebx), %esi		/* cmdline_paddr */
	mov 16(%ebx), %edi		/* modlist_paddr, and of the first: paddr */
	mov (%edi), %edi
	mov 40(%ebx), %ecx		/* memmap_paddr, memmap_entries */
	mov 48(%ebx), %edx
	xor %eax, %eax
1:	cmpl $1, 16(%ecx)		/* type */
	jne 2f
	add 8(%ecx), %eax		/* size */
2:	add $24, %ecx
	dec %edx
	jnz 1b

finish:
	push %eax
	call text
	mov %edi, %esi
	call text
	pop %eax
	call number
	mov $0x604, %edx		/* power off */
	mov $0x3400, %eax
	outw %ax, %dx
stop:	hlt
	jmp stop

begin:
	call number
	mov %cr0, %eax
	jmp number

/* EAX as eight digits, and a line's end. */
number:
	push %ecx
	push %edx
	mov %eax, %ecx
	mov $8, %ah
1:	rol $4, %ecx
	mov %cl, %al
	and $15, %al
	add $'0', %al
	cmp $'9', %al
	jbe 2f
	add $('a' - '9' - 1), %al
2:	mov $0x3f8, %edx
	outb %al, %dx
	dec %ah
	jnz 1b
	mov $'\n', %al
	outb %al, %dx
	pop %edx
	pop %ecx
	ret

/* The string at ESI, and a line's end. */
text:
	mov $0x3f8, %edx
1:	lodsb
	test %al, %al
	jz 2f
	outb %al, %dx
	jmp 1b
2:	mov $'\n', %al
	outb %al, %dx
	ret
entry_guest_end:
	.section .note.GNU-stack, "", @progbits
