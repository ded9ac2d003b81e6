// SPDX-License-Identifier: GPL-2.0-only
/*
 * kernel_symbols FILE </proc/kallsyms - an ELF file with the kernel's functions, for gdb.
 *
 * Debian's kernels have no symbols in their files, and those of the kernel that runs are those of a guest
 * with the same kernel, if neither has moved (nokaslr). Section .text has addresses and no bytes.
 */
#include <elf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SYMBOLS_MAX	400000
#define KERNEL		0xffffffff80000000ULL	/* where it is linked to */
#define KERNEL_END	0xffffffffa0000000ULL	/* modules follow */

enum { NONE, TEXT, SYMTAB, STRTAB, SECTIONS };

static Elf64_Sym symbols[SYMBOLS_MAX];
static const char names[] = "\0.text\0.symtab\0.strtab";
static char strings[32 << 20];		/* begins with names */
static size_t count = 1, used = sizeof(names);
static unsigned long long first = ~0ULL, last;

static void add(unsigned long long address, const char *name)
{
	size_t length = strlen(name) + 1;

	if (count == SYMBOLS_MAX || length > sizeof(strings) - used)
		return;
	symbols[count++] = (Elf64_Sym){
		.st_name = (Elf64_Word)used, .st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC), .st_shndx = TEXT, .st_value = address,
	};
	memcpy(strings + used, name, length);
	used += length;
	first = address < first ? address : first;
	last = address > last ? address : last;
}

static int write_file(FILE *out)
{
	const size_t table = count * sizeof(*symbols), at = sizeof(Elf64_Ehdr) + SECTIONS * sizeof(Elf64_Shdr);
	Elf64_Ehdr head = {
		.e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_EXEC, .e_machine = EM_X86_64, .e_version = EV_CURRENT, .e_shoff = sizeof(head),
		.e_ehsize = sizeof(head), .e_shentsize = sizeof(Elf64_Shdr), .e_shnum = SECTIONS, .e_shstrndx = STRTAB,
	};
	Elf64_Shdr sections[SECTIONS] = {
		[TEXT] = { .sh_name = 1, .sh_type = SHT_NOBITS, .sh_flags = SHF_ALLOC | SHF_EXECINSTR, .sh_addr = first,
			   .sh_size = last - first + 4096, .sh_addralign = 1 },
		[SYMTAB] = { .sh_name = 7, .sh_type = SHT_SYMTAB, .sh_offset = at, .sh_size = table, .sh_link = STRTAB,
			     .sh_info = 1, .sh_addralign = 8, .sh_entsize = sizeof(*symbols) },
		[STRTAB] = { .sh_name = 15, .sh_type = SHT_STRTAB, .sh_offset = at + table, .sh_size = used, .sh_addralign = 1 },
	};

	return fwrite(&head, sizeof(head), 1, out) == 1 && fwrite(sections, sizeof(sections), 1, out) == 1 &&
	       fwrite(symbols, table, 1, out) == 1 && fwrite(strings, used, 1, out) == 1 && !fclose(out);
}

int main(int argc, char **argv)
{
	char line[1024], name[512], type;
	unsigned long long address;
	FILE *out = argc == 2 ? fopen(argv[1], "w") : NULL;

	if (!out)
		return 2;
	memcpy(strings, names, sizeof(names));
	while (fgets(line, sizeof(line), stdin))
		if (sscanf(line, "%llx %c %511s", &address, &type, name) == 3 && (type == 't' || type == 'T') &&
		    address >= KERNEL && address < KERNEL_END)
			add(address, name);
	return count > 1 && write_file(out) ? 0 : 1;
}
