// SPDX-License-Identifier: GPL-2.0-only
/*
 * `keel cpu-models`. Names of features have no character that JSON would need quoted.
 */
#include <errno.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cpu_model.h"
#include "cpu_models.h"
#include "cpuid.h"
#include "options.h"
#include "status.h"
#include "vm.h"

static struct cpu_features lacks_of(unsigned int level, const struct kvm_cpuid2 *supported)
{
	const struct cpu_model model = { .level = level };

	return cpu_model_lacks(&model, supported);
}

void cpu_models_print_table(FILE *out, const struct kvm_cpuid2 *supported)
{
	fputs("MODEL      HERE  LACKS\n", out);
	for (unsigned int i = 0; cpu_model_name(i); i++) {
		const struct cpu_features lacks = lacks_of(i, supported);
		char list[CPU_MODEL_LACKS_MAX];

		cpu_features_list(&lacks, list, sizeof(list));
		fprintf(out, "%-9s  %-4s  %s\n", cpu_model_name(i), *list ? "no" : "yes", *list ? list : "-");
	}
}

static void print_array(FILE *out, const struct cpu_features *set)
{
	unsigned int at = 0;
	bool is_first = true;
	char name[32];

	fputc('[', out);
	for (; cpu_features_next(set, &at, name, sizeof(name)); is_first = false)
		fprintf(out, "%s\"%s\"", is_first ? "" : ", ", name);
	fputc(']', out);
}

void cpu_models_print_json(FILE *out, const struct kvm_cpuid2 *supported)
{
	const struct cpu_features host = cpu_features_read(supported->entries, supported->nent);

	fputs("{\"models\": [", out);
	for (unsigned int i = 0; cpu_model_name(i); i++) {
		const struct cpu_features lacks = lacks_of(i, supported);

		fprintf(out, "%s{\"name\": \"%s\", \"here\": %s, \"lacks\": ", i ? ", " : "", cpu_model_name(i),
			cpu_features_is_empty(&lacks) ? "true" : "false");
		print_array(out, &lacks);
		fputc('}', out);
	}
	fputs("], \"features\": ", out);
	print_array(out, &host);
	fputs("}\n", out);
}

int cpu_models_show(const struct options *options)
{
	struct vm vm = { .node = open(options->device, O_RDWR | O_CLOEXEC) };
	struct kvm_cpuid2 *supported;
	int error;

	if (vm.node < 0)
		return status_fail(STATUS_DEVICE, "cannot open %s: %s", options->device, strerror(errno));
	supported = cpuid_get_supported(&vm);
	error = errno;
	close(vm.node);
	if (!supported)
		return status_fail(STATUS_DEVICE, "%s: cannot read the supported CPUID: %s", options->device, strerror(error));
	if (options->json)
		cpu_models_print_json(stdout, supported);
	else
		cpu_models_print_table(stdout, supported);
	free(supported);
	return 0;
}
