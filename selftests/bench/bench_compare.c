// SPDX-License-Identifier: GPL-2.0-only
/*
 * Two results of keel_bench side by side: operation, stock, keel, ratio and a
 * bar of the ratio (a full line of 20 is the stock figure), and the same as
 * JSON. It reads keel_bench's own output, one row a line. A row that only one of
 * them has is a failure.
 *
 * usage: bench_compare [-o FILE.json] STOCK.json KEEL.json
 */
#include "test.h"

#define MAX_ROWS 128
#define BAR	20

struct result {
	char name[80], unit[16];
	unsigned long long value;
};

struct results {
	struct result row[MAX_ROWS];
	int n;
};

static int load(const char *path, struct results *r)
{
	FILE *f = fopen(path, "r");
	char line[256];

	if (!f) {
		fprintf(stderr, "%s: %s\n", path, strerror(errno));
		return -1;
	}
	while (fgets(line, sizeof(line), f) && r->n < MAX_ROWS) {
		struct result *row = &r->row[r->n];

		r->n += sscanf(line, "{ \"operation\": \"%79[^\"]\", \"value\": %llu, \"unit\": \"%15[^\"]\"",
			       row->name, &row->value, row->unit) == 3;
	}
	fclose(f);
	return r->n ? 0 : -1;
}

static const struct result *find(const struct results *r, const char *name)
{
	int i;

	for (i = 0; i < r->n; i++)
		if (!strcmp(r->row[i].name, name))
			return &r->row[i];
	return NULL;
}

static unsigned long long milli(const struct result *s, const struct result *k)
{
	return s->value ? k->value * 1000 / s->value : 0;
}

static void print_row(const struct result *s, const struct result *k)
{
	unsigned long long ratio = milli(s, k), len = ratio * BAR / 1000;
	char bar[2 * BAR + 1];

	if (len > 2 * BAR)
		len = 2 * BAR;
	memset(bar, '#', len);
	bar[len] = 0;
	printf("%-50s %10llu %10llu %3llu.%02llu  %s\n", s->name, s->value, k->value,
	       ratio / 1000, ratio % 1000 / 10, bar);
}

int main(int argc, char **argv)
{
	static struct results stock, keel;
	const char *out = "/dev/null", *sep = "";
	int i, first = 1, missing = 0;
	FILE *f;

	if (argc == 5 && !strcmp(argv[1], "-o")) {
		out = argv[2];
		first = 3;
	}
	if (argc != first + 2) {
		fprintf(stderr, "usage: bench_compare [-o FILE] STOCK KEEL\n");
		return 2;
	}
	if (load(argv[first], &stock) || load(argv[first + 1], &keel))
		return 1;
	f = fopen(out, "w");
	if (!f)
		return 1;
	printf("%-50s %10s %10s %6s\n", "host instructions, not time", "stock", "keel", "ratio");
	fprintf(f, "{ \"rows\": [\n");
	for (i = 0; i < stock.n; i++) {
		const struct result *s = &stock.row[i], *k = find(&keel, s->name);

		if (!k) {
			printf("%-50s %10llu    nothing\n", s->name, s->value);
			missing++;
			continue;
		}
		print_row(s, k);
		fprintf(f, "%s{ \"operation\": \"%s\", \"unit\": \"%s\", \"stock\": %llu, \"keel\": %llu, \"ratio\": %llu.%03llu }",
			sep, s->name, s->unit, s->value, k->value, milli(s, k) / 1000, milli(s, k) % 1000);
		sep = ",\n";
	}
	fprintf(f, "\n] }\n");
	return fclose(f) || missing || keel.n != stock.n ? 1 : 0;
}
