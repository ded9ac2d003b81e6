// SPDX-License-Identifier: GPL-2.0-only
/*
 * The levels are those of the x86-64 psABI, "Micro-Architecture Levels". A level also has what a kernel needs or gains from
 * and every CPU of that level with VMX or SVM has: below, "for the kernel".
 *
 * A level has no vendor. Where the vendors differ a kernel goes by the name, and it asks at boot alone: told of Intel, Linux has
 * 32-bit programs use SYSENTER, of AMD, SYSCALL, and each is undefined in such a program on the other's CPU; told of AMD, it
 * leaves Meltdown open, which Intel's have. Of a name that it does not know it expects neither instruction, and every weakness
 * that nothing denies.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cpu_model.h"
#include "util.h"

#define FILE_MAX	4096

/* The psABI's first level, and what a PC's kernel finds in every CPU that has it. */
static const char base[] =
	"fpu,de,pse,tsc,msr,pae,mce,cx8,apic,sep,mtrr,pge,mca,cmov,pat,pse36,clflush,mmx,fxsr,sse,sse2,x2apic,syscall,nx,lm";

/* Each has all that the one before has. */
static const struct level {
	const char *name;
	unsigned int address_bits;	/* physical; more if memory needs more */
	const char *psabi;
	const char *kernel;		/* for the kernel */
} levels[] = {
	{ "host", 0, "", "" },
	{ "x86-64", 36, base, "" },
	{ "x86-64-v2", 36, "cx16,lahf_lm,popcnt,pni,sse4_1,sse4_2,ssse3", "rdtscp" },
	{ "x86-64-v3", 39, "avx,avx2,bmi1,bmi2,f16c,fma,lzcnt,movbe,xsave", "fsgsbase,smep" },
	{ "x86-64-v4", 39, "avx512f,avx512bw,avx512cd,avx512dq,avx512vl", "smap,invpcid,pcid" },
};

const char *cpu_model_name(unsigned int level)
{
	return level < ARRAY_SIZE(levels) ? levels[level].name : NULL;
}

unsigned int cpu_model_address_bits(unsigned int level)
{
	return levels[level].address_bits;
}

/* ---- words ---- */

static bool take_vendor(struct cpu_model *model, const char *word, size_t length, char *why, size_t size)
{
	static const char host[] = "vendor=host", neutral[] = "vendor=neutral";

	model->has_host_vendor = length == strlen(host) && !memcmp(word, host, length);
	if (!model->level)
		snprintf(why, size, "'%.*s' goes with x86-64 and the like; host has the host's vendor", (int)length, word);
	else if (!model->has_host_vendor && (length != strlen(neutral) || memcmp(word, neutral, length)))
		snprintf(why, size, "'%.*s': the vendor can be host or neutral", (int)length, word);
	else
		return true;
	return false;
}

static bool take_word(struct cpu_model *model, const char *word, size_t length, char *why, size_t size)
{
	bool is_added = *word == '+';

	if (length > 7 && !memcmp(word, "vendor=", 7))
		return take_vendor(model, word, length, why, size);
	if (!is_added && *word != '-')
		snprintf(why, size, "'%.*s': behind the model there can be +FEATURE, -FEATURE and vendor=host", (int)length, word);
	else if (!cpu_features_add(is_added ? &model->added : &model->removed, word + 1, length - 1))
		snprintf(why, size, "'%.*s': no such feature; 'keel cpu-models --json' lists this host's", (int)length, word);
	else
		return true;
	return false;
}

static bool take_name(struct cpu_model *model, const char *word, size_t length, char *why, size_t size)
{
	for (unsigned int i = 0; i < ARRAY_SIZE(levels); i++) {
		if (strlen(levels[i].name) == length && !memcmp(levels[i].name, word, length)) {
			model->level = i;
			return true;
		}
	}
	snprintf(why, size, "'%.*s': no such model; there are host, x86-64, x86-64-v2, x86-64-v3 and x86-64-v4, and files, whose paths have a '/'",
		 (int)length, word);
	return false;
}

static bool take_words(struct cpu_model *model, const char *text, const char *between, char *why, size_t size)
{
	bool has_name = false;

	*model = (struct cpu_model){ .level = 0 };
	for (const char *at = text; *at;) {
		size_t length = strcspn(at, between);

		if (length > CPU_MODEL_WORD_MAX)
			length = CPU_MODEL_WORD_MAX;
		if (*at == '#' && strchr(between, '\n')) {
			at += strcspn(at, "\n");
			continue;
		}
		if (length && !(has_name ? take_word : take_name)(model, at, length, why, size))
			return false;
		has_name |= length;
		at += length;
		at += !!*at;
	}
	if (!has_name)
		snprintf(why, size, "no model is named");
	return has_name;
}

static bool read_words(struct cpu_model *model, const char *path, char *why, size_t size)
{
	char text[FILE_MAX + 1];
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	size_t used = 0;
	ssize_t got = 0;

	while (fd >= 0 && used < sizeof(text) && (got = read(fd, text + used, sizeof(text) - used)) > 0)
		used += (size_t)got;
	if (fd < 0 || got < 0)
		snprintf(why, size, "cannot read it: %s", strerror(errno));
	if (fd >= 0)
		close(fd);
	if (fd < 0 || got < 0)
		return false;
	if (used > FILE_MAX) {
		snprintf(why, size, "more than %d bytes", FILE_MAX);
		return false;
	}
	text[used] = 0;
	if (strlen(text) == used)
		return take_words(model, text, " \t\r\n,", why, size);
	snprintf(why, size, "a zero byte in it");
	return false;
}

/* ---- features ---- */

static struct cpu_features features_of_level(unsigned int level)
{
	struct cpu_features set = { { 0 } };

	for (unsigned int i = 1; i <= level; i++) {
		cpu_features_add_list(&set, levels[i].psabi);
		cpu_features_add_list(&set, levels[i].kernel);
	}
	return set;
}

struct cpu_features cpu_model_features(const struct cpu_model *model, const struct cpu_features *host)
{
	struct cpu_features set = model->level ? features_of_level(model->level) : *host;

	cpu_features_drop(&set, &model->removed);
	cpu_features_join(&set, &model->added);
	return set;
}

bool cpu_model_check(const struct cpu_model *model, const struct cpu_features *set, char *why, size_t size)
{
	const char *needs, *name = cpu_features_is_empty(&model->added) ? NULL : cpu_features_unmet(set, &needs);

	if (name)
		snprintf(why, size, "%s is of no use without %s", name, needs);
	return !name;
}

bool cpu_model_parse(struct cpu_model *model, const char *text, char *why, size_t size)
{
	struct cpu_features both;

	if (strchr(text, '/') ? !read_words(model, text, why, size) : !take_words(model, text, ",", why, size))
		return false;
	both = cpu_features_lacks(&model->added, &model->removed);
	both = cpu_features_lacks(&model->added, &both);
	if (!cpu_features_is_empty(&both)) {
		char list[64];

		cpu_features_list(&both, list, sizeof(list));
		snprintf(why, size, "both added and taken away: %s", list);
		return false;
	}
	if (!model->level)
		return true;
	both = cpu_model_features(model, NULL);
	return cpu_model_check(model, &both, why, size);
}

struct cpu_features cpu_model_lacks(const struct cpu_model *model, const struct kvm_cpuid2 *supported)
{
	const struct cpu_features host = cpu_features_read(supported->entries, supported->nent);
	const struct cpu_features wanted = cpu_model_features(model, &host);

	return cpu_features_lacks(&wanted, &host);
}
