/* SPDX-License-Identifier: Apache-2.0 */
/* How well placement packs: the two experiments on a trace, or on a cluster that is made here, beside first
 * fit and best fit in the same run; and clusters whose best answer is known. All by the engine itself.
 * bench_quality [--nodes FILE --pods FILE] [--seeds A-B] [--churn-seeds A-B] [--jobs N] [--short]
 * --short: seconds on a small cluster, and exit code 1 below a floor. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/util.h"
#include "quality.h"

enum { JOBS_MAX = 10000, LOADS = 3, ORDERS = 3, SHUFFLE = 1001 };

static const int loads[LOADS] = { 90, 100, 110 };
static const struct {
	enum placement_order order;
	const char *name, *text;
} orders[ORDERS] = {
	{ PLACEMENT_BY_MIX, "mix", "cloudd" },
	{ PLACEMENT_BEST_FIT, "best_fit", "best fit" },
	{ PLACEMENT_FIRST_FIT, "first_fit", "first fit" },
};

static struct job jobs[JOBS_MAX];
static size_t jobs_n;
static struct shared {
	size_t next;
	struct result results[JOBS_MAX];
} * shared;

static struct options {
	const char *nodes, *pods;
	uint64_t seeds[2], churn_seeds[2];
	long jobs;
	bool brief;
} opt = { .seeds = { 42, 51 }, .churn_seeds = { 42, 46 } };

static _Noreturn void usage(const char *why, const char *what)
{
	fprintf(stderr,
		"bench: %s%s\nbench_quality [--nodes FILE --pods FILE] [--seeds A-B] [--churn-seeds A-B] "
		"[--jobs N] [--short]\n",
		why, what);
	exit(2);
}

/* ---- jobs, on all cores ---- */

static void job_add(struct job job)
{
	if (jobs_n == JOBS_MAX)
		usage("too many seeds", "");
	jobs[jobs_n++] = job;
}

static void jobs_make(void)
{
	for (size_t o = 0; o < ORDERS; o++) {
		enum placement_order order = orders[o].order;

		for (int l = 0; l < LOADS; l++)
			for (uint64_t s = opt.churn_seeds[0]; s <= opt.churn_seeds[1]; s++)
				job_add((struct job) {
					.churn = true, .seed = s, .load = loads[l], .order = order });
		for (uint64_t s = opt.seeds[0]; s <= opt.seeds[1]; s++)
			job_add((struct job) { .seed = s, .order = order });
	}
	for (uint64_t s = opt.seeds[0]; s <= opt.seeds[1]; s++)
		job_add((struct job) { .seed = s, .shuffle = SHUFFLE });
}

static void work(const struct trace *t)
{
	size_t at;

	while ((at = __atomic_fetch_add(&shared->next, 1, __ATOMIC_RELAXED)) < jobs_n)
		shared->results[at] = job_run(t, &jobs[at]);
}

static void jobs_run(const struct trace *t)
{
	long n = opt.jobs ? opt.jobs : sysconf(_SC_NPROCESSORS_ONLN);
	int status;

	shared = mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		usage("no memory", "");
	fflush(stdout);
	for (long i = 0; i < n; i++)
		if (fork() == 0) {
			work(t);
			_exit(0);
		}
	while (wait(&status) > 0)
		if (!WIFEXITED(status) || WEXITSTATUS(status))
			exit(1);
}

/* ---- figures ---- */

static bool goals; /* of the default seeds on a trace */

static void figure(const char *name, double value, const char *unit, double goal, bool at_most)
{
	printf("%s %.3f %s", name, value, unit);
	if (goals && !isnan(goal))
		printf(" # goal %s %.3f: %s", at_most ? "<=" : ">=", goal,
			(at_most ? value <= goal : value >= goal) ? "ok" : "missed");
	printf("\n");
}

struct series {
	double mean, sd;
	size_t n;
};

static struct series series_of(
	enum placement_order order, bool shuffled, int load, double (*of)(const struct result *))
{
	struct series s = { 0 };
	double squares = 0;

	for (size_t i = 0; i < jobs_n; i++)
		if (jobs[i].order == order && jobs[i].load == load && !jobs[i].shuffle == !shuffled) {
			s.mean += of(&shared->results[i]);
			squares += of(&shared->results[i]) * of(&shared->results[i]);
			s.n++;
		}
	s.mean /= s.n ? (double)s.n : 1;
	s.sd = s.n > 1 ? sqrt(fmax(0, (squares - (double)s.n * s.mean * s.mean) / (double)(s.n - 1))) : 0;
	return s;
}

static double end_of(const struct result *r)
{
	return r->end;
}

static double full_of(const struct result *r)
{
	return r->full;
}

static double refused_of(const struct result *r)
{
	return r->refused;
}

static double refused8_of(const struct result *r)
{
	return r->refused8;
}

static double allocated_of(const struct result *r)
{
	return r->allocated;
}

static void per_seed(void)
{
	for (size_t i = 0; i < jobs_n; i++) {
		const struct job *j = &jobs[i];
		const struct result *r = &shared->results[i];
		const char *order = orders[0].text;

		for (size_t o = 0; o < ORDERS; o++)
			order = orders[o].order == j->order ? orders[o].text : order;
		if (j->churn)
			printf("# churn      load %.2f  %-9s seed %llu: refused %6.3f %% (of eights %6.2f "
			       "%%), "
			       "allocated %.2f %%\n",
				j->load / 100.0, order, (unsigned long long)j->seed, r->refused, r->refused8,
				r->allocated);
		else
			printf("# inflation  %-9s %-9s seed %llu: %.2f %%, at 100 %% %.2f %%; %llu arrivals, "
			       "hash %016llx\n",
				j->shuffle ? "shuffled" : "", order, (unsigned long long)j->seed, r->end,
				r->full, (unsigned long long)r->arrivals, (unsigned long long)r->hash);
	}
}

static void order_figures(size_t o)
{
	enum placement_order order = orders[o].order;
	bool ours = order == PLACEMENT_BY_MIX;
	static const double refused_goals[LOADS] = { 0, 5.5, 14 };
	struct series end = series_of(order, false, 0, end_of);
	char name[64];

#define NAMED(fmt, ...) (snprintf(name, sizeof name, "quality_" fmt, __VA_ARGS__), name)
	figure(NAMED("%s_inflation_end", orders[o].name), end.mean, "%", ours ? 95.4 : NAN, false);
	figure(NAMED("%s_inflation_sd", orders[o].name), end.sd, "%", ours ? 0.15 : NAN, true);
	figure(NAMED("%s_inflation_at_100", orders[o].name), series_of(order, false, 0, full_of).mean, "%",
		NAN, false);
	for (int l = 0; l < LOADS; l++) {
		figure(NAMED("%s_churn_%d_refused", orders[o].name, loads[l]),
			series_of(order, false, loads[l], refused_of).mean, "%",
			ours ? refused_goals[l] : NAN, true);
		figure(NAMED("%s_churn_%d_refused_eights", orders[o].name, loads[l]),
			series_of(order, false, loads[l], refused8_of).mean, "%", NAN, true);
		figure(NAMED("%s_churn_%d_allocated", orders[o].name, loads[l]),
			series_of(order, false, loads[l], allocated_of).mean, "%", NAN, true);
	}
#undef NAMED
}

static void trace_figures(void)
{
	struct series end = series_of(PLACEMENT_BY_MIX, false, 0, end_of),
		      shuffled = series_of(PLACEMENT_BY_MIX, true, 0, end_of);

	per_seed();
	for (size_t o = 0; o < ORDERS; o++)
		order_figures(o);
	figure("quality_mix_inflation_end_shuffled", shuffled.mean, "%", NAN, false);
	figure("quality_mix_inflation_lost_by_shuffling", end.mean - shuffled.mean, "%", 0.2, true);
}

static double known_figures(int rounds)
{
	struct known known[8];
	double worst = 0;
	char name[64];

	for (int sorted = 0; sorted < 2; sorted++) {
		size_t n = known_run(rounds, sorted, known, ARRAY_LEN(known));

		for (size_t i = 0; i < n; i++) {
			snprintf(name, sizeof name, "known_%s_%s_lost", known[i].name,
				sorted ? "sorted" : "random");
			figure(name, known[i].lost, "%", NAN, true);
			snprintf(name, sizeof name, "known_%s_%s_lost_first_fit", known[i].name,
				sorted ? "sorted" : "random");
			figure(name, known[i].lost_first, "%", NAN, true);
			worst = sorted && known[i].lost > worst ? known[i].lost : worst;
		}
	}
	return worst;
}

/* ---- the checks of the published list ---- */

/* Whoever follows the rules has these arrivals; another list has others. */
static const uint64_t hashes[] = { 0x98117a51cf954e57, 0xce434da193436ed3, 0x7e587936fc6fa23c,
	0xa75c73799447128e, 0x04496b096bacd112, 0xa654214dfb4d8d69, 0xe8907fc900209601, 0x4f4491a7bc9b6198,
	0x742e24112db72f36, 0x67f95243c5906e41 };

static void check_hashes(const struct trace *t)
{
	size_t same = 0, n = 0;

	if (t->tasks_n != 8152 || trace_capacity(t) != 6212000)
		return;
	for (size_t i = 0; i < jobs_n; i++)
		if (!jobs[i].churn && jobs[i].seed >= 42 && jobs[i].seed < 42 + ARRAY_LEN(hashes)) {
			n++;
			same += shared->results[i].hash == hashes[jobs[i].seed - 42];
		}
	if (n)
		printf("# arrivals of the default list: %zu of %zu hashes as published\n", same, n);
}

/* ---- options ---- */

static void range(const char *text, uint64_t out[2])
{
	char *end;

	out[0] = out[1] = strtoull(text, &end, 10);
	if (end != text && *end == '-')
		out[1] = strtoull(end + 1, &end, 10);
	if (end == text || *end || out[1] < out[0] || out[1] - out[0] > 999)
		usage("not a range of seeds, like 42-51: ", text);
}

static void options_read(int argc, char **argv)
{
	for (int i = 1; i < argc; i++) {
		if (strcmp(argv[i], "--short") == 0) {
			opt.brief = true;
			continue;
		}
		if (i + 1 == argc)
			usage("what does this mean: ", argv[i]);
		if (strcmp(argv[i], "--nodes") == 0)
			opt.nodes = argv[++i];
		else if (strcmp(argv[i], "--pods") == 0)
			opt.pods = argv[++i];
		else if (strcmp(argv[i], "--seeds") == 0)
			range(argv[++i], opt.seeds);
		else if (strcmp(argv[i], "--churn-seeds") == 0)
			range(argv[++i], opt.churn_seeds);
		else if (strcmp(argv[i], "--jobs") == 0)
			opt.jobs = strtol(argv[++i], NULL, 10);
		else
			usage("what does this mean: ", argv[i]);
	}
	if (!opt.nodes != !opt.pods)
		usage("--nodes and --pods belong together", "");
	if (opt.jobs < 0 || opt.jobs > 256)
		usage("--jobs is from 1 to 256", "");
}

static void load(struct trace *t)
{
	struct error err;

	if (!opt.nodes) {
		trace_make(t, opt.brief ? 120 : 1000, 7);
	} else if (trace_read_hosts(t, opt.nodes, &err) < 0 || trace_read_tasks(t, opt.pods, &err) < 0) {
		fprintf(stderr, "bench: %s\n", err.msg);
		exit(2);
	}
	printf("# %zu hosts, %lld GPUs, %zu tasks\n", t->hosts_n,
		(long long)(trace_capacity(t) / PLACEMENT_SHARE), t->tasks_n);
}

/* On the cluster that is made here; by what was seen, and some room. */
static int floors(double worst)
{
	double end = series_of(PLACEMENT_BY_MIX, false, 0, end_of).mean,
	       first = series_of(PLACEMENT_FIRST_FIT, false, 0, end_of).mean,
	       refused = series_of(PLACEMENT_BY_MIX, false, 100, refused_of).mean,
	       best = series_of(PLACEMENT_BEST_FIT, false, 100, refused_of).mean;

	if (end > first && refused < best && worst < 0.5)
		return 0;
	printf("# below the floor: %.2f against %.2f, %.2f against %.2f, %.2f\n", end, first, refused, best,
		worst);
	return 1;
}

int main(int argc, char **argv)
{
	struct trace t = { 0 };
	double worst;

	options_read(argc, argv);
	if (opt.brief && !opt.nodes) {
		opt.seeds[1] = opt.seeds[0] + 2;
		opt.churn_seeds[1] = opt.churn_seeds[0] + 1;
	}
	load(&t);
	goals = opt.nodes != NULL;
	jobs_make();
	jobs_run(&t);
	trace_figures();
	check_hashes(&t);
	worst = known_figures(opt.brief ? 10 : 100);
	trace_finish(&t);
	return opt.brief && !opt.nodes ? floors(worst) : 0;
}
