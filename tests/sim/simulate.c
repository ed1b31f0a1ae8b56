/* SPDX-License-Identifier: Apache-2.0 */
/* Lives through clouds by seed: the whole daemon in this process, on simulated hosts, time and randomness,
 *killed and started again; see docs/simulation.md.
 *
 *	simulate [--seeds N] [--from SEED] [--jobs N] [--seconds N] [--cover] [--twice] [--verbose] [--keep]
 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "aim.h"
#include "base/sign.h"
#include "client.h"
#include "cloudctl/audit_source.h"
#include "sched.h"
#include "setup.h"

int cloudd_main(int argc, char **argv);

const char *const fault_names[FAULTS] = {
	[FAULT_KILL] = "kill",
	[FAULT_POWER_LOSS] = "power_loss",
	[FAULT_TORN_WRITES] = "torn_write",
	[FAULT_DISK_SYNC] = "sync",
	[FAULT_LATE_EFFECT] = "late_effect",
	[FAULT_CALL_REFUSED] = "call_refused",
	[FAULT_CALL_REFUSED_AFTER] = "call_refused_after_effect",
	[FAULT_REPLY_LOST] = "reply_lost",
	[FAULT_CALL_DROPPED] = "call_dropped",
	[FAULT_CALL_HANGS] = "call_hangs",
	[FAULT_CALL_DELAYED] = "call_delayed",
	[FAULT_EVENTS_LOST] = "events_lost",
	[FAULT_EVENTS_REPEATED] = "events_repeated",
	[FAULT_HOST_CUT] = "host_cut",
	[FAULT_HOST_REBOOT] = "host_reboot",
	[FAULT_HOST_DEAD] = "host_dead",
	[FAULT_FOREIGN_DOMAIN] = "foreign_domain",
	[FAULT_UNDEFINED] = "domain_undefined",
	[FAULT_GUEST_OFF] = "guest_off",
	[FAULT_POOL_FULL] = "pool_full",
	[FAULT_CLOCK_STEP] = "clock_step",
	[FAULT_DISK_FULL] = "disk_full",
	[FAULT_NO_DESCRIPTORS] = "no_descriptors",
	[FAULT_NO_MEMORY] = "no_memory",
	[FAULT_CLIENT_DROPPED] = "client_dropped",
	[FAULT_CLIENT_SLOW] = "client_slow",
	[FAULT_REPEATED_REQUEST] = "request_repeated",
};
const char *const outcome_names[OUTCOMES] = { "done", "refused", "busy", "lost" };

enum { LIFE_MAX_S = 120 }; /* of real time: who takes longer turns in a circle */

struct run *run;
static bool cover;    /* all deaths are aimed, seed by seed at the next */
static char top[256]; /* where the copies live */

/* --- randomness ----------------------------------------------------------------------------------------- */

uint64_t rnd(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15u; /* splitmix64 */

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
	z = (z ^ z >> 27) * 0x94d049bb133111ebu;
	return z ^ z >> 31;
}

uint32_t rnd_below(uint64_t *state, uint32_t n)
{
	return n ? (uint32_t)((rnd(state) >> 32) * n >> 32) : 0;
}

bool rnd_chance(uint64_t *state, unsigned thousandths)
{
	return thousandths && rnd_below(state, 1000) < thousandths;
}

static int rand_fill(unsigned char *out, int n)
{
	for (int i = 0; i < n; i++)
		out[i] = (unsigned char)(rnd(&run->rng) >> 40);
	return 1;
}

static int rand_ready(void)
{
	return 1;
}

static int vfs_random(sqlite3_vfs *vfs, int n, char *out)
{
	(void)vfs;
	return rand_fill((unsigned char *)out, n) ? n : 0;
}

static sqlite3_mem_methods memory; /* SQLite's own */

static void *short_malloc(int n)
{
	return chance(scarce[SCARCE_MEMORY] ? 2 : 0) ? NULL : memory.xMalloc(n);
}

static void *short_realloc(void *p, int n)
{
	return chance(scarce[SCARCE_MEMORY] ? 2 : 0) ? NULL : memory.xRealloc(p, n);
}

/* What SQLite allocates may fail: it says so. */
static void own_memory(void)
{
	sqlite3_mem_methods shorter;

	sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0); /* else a lock for each allocation */
	sqlite3_config(SQLITE_CONFIG_GETMALLOC, &memory);
	shorter = memory;
	shorter.xMalloc = short_malloc;
	shorter.xRealloc = short_realloc;
	sqlite3_config(SQLITE_CONFIG_MALLOC, &shorter);
}

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wdeprecated-declarations"
static void own_randomness(void)
{
	static const RAND_METHOD method = {
		.bytes = rand_fill, .pseudorand = rand_fill, .status = rand_ready
	};

	RAND_set_rand_method(&method);
	own_memory();
	sqlite3_initialize();
	sqlite3_vfs_find(NULL)->xRandomness = vfs_random;
}
#pragma GCC diagnostic pop

/* --- what is kept of a run ------------------------------------------------------------------------------ */

void event(const char *format, ...)
{
	char *text = run->events[run->events_n++ % EVENTS_KEPT];
	int at = snprintf(text, EVENT_TEXT, "%9lld.%03lld ", (long long)(run->mono_ns / 1000000000),
		(long long)(run->mono_ns / 1000000 % 1000));
	va_list ap;

	va_start(ap, format);
	vsnprintf(text + at, (size_t)(EVENT_TEXT - at), format, ap);
	va_end(ap);
	for (const char *p = text; *p; p++)
		run->trace = (run->trace ^ (unsigned char)*p) * 0x100000001b3u;
	if (run->verbose)
		fprintf(stderr, "%s\n", text);
}

void problem(const char *format, ...)
{
	char text[PROBLEM_TEXT];
	va_list ap;

	va_start(ap, format);
	vsnprintf(text, sizeof text, format, ap);
	va_end(ap);
	event("!!! %s", text);
	if (run->problems_n < PROBLEMS_MAX)
		memcpy(run->problems[run->problems_n++], text, sizeof text);
}

void fault_count(enum fault f)
{
	run->totals.faults[f]++;
}

/* --- files ---------------------------------------------------------------------------------------------- */

static void copy_file(const char *from, const char *to, mode_t mode)
{
	int in = open(from, O_RDONLY | O_CLOEXEC),
	    out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);

	while (in >= 0 && out >= 0 && sendfile(out, in, NULL, 1 << 24) > 0)
		;
	close(in);
	close(out);
}

static void walk(const char *from, const char *to)
{
	DIR *d = opendir(from);
	struct dirent *e;

	if (to)
		mkdir(to, 0700);
	while (d && (e = readdir(d))) {
		char a[512], b[512];
		struct stat st;

		if (e->d_name[0] == '.' && (!e->d_name[1] || e->d_name[1] == '.'))
			continue;
		snprintf(a, sizeof a, "%.250s/%.250s", from, e->d_name);
		snprintf(b, sizeof b, "%.250s/%.250s", to ? to : "", e->d_name);
		if (lstat(a, &st) == 0 && S_ISDIR(st.st_mode))
			walk(a, to ? b : NULL);
		else if (to)
			copy_file(a, b, st.st_mode & 0777);
		else
			unlink(a);
	}
	if (d)
		closedir(d);
	if (!to)
		rmdir(from);
}

/* What may be set one way or another is drawn. */
static void write_config(bool drawn)
{
	static const int offloads[] = { 0, 20, 300, -1 };
	FILE *f = fopen("cloudd.conf", "we");

	fputs("[cloudd]\nstate_dir = state\nlog_level = info\n"
	      "[api]\nlisten = 127.0.0.1:1\nsocket =\n"
	      "[identity]\ntoken_ttl_s = 2592000\n"
	      "[hosts]\npoll_s = 30\nretry_min_ms = 100\ncall_timeout_ms = 20000\nretry_max_ms = 10000\n"
	      "[network public]\nsource = network:sim\ncidr = 10.64.0.0/12\ngateway = 10.64.0.1\n"
	      "[gpu a100]\nvendor = 10de\nproduct = 20b0\n"
	      "[audit]\naudit_witness = witness\n"
	      "[consoles]\nconsole_poll_s = 300\n"
	      "[compute]\nkeypair_type = ed25519\n",
		f);
	if (drawn)
		fprintf(f,
			"shelved_offload_s = %d\nresize_to_same_host = %s\nresize_confirm_s = %d\n"
			"gpu_reset = %s\ngpu_verify_command = %s\n",
			offloads[dice(4)], dice(2) ? "true" : "false", run->profile.confirms ? 120 : 0,
			run->profile.unclean ? "off" : "auto", dice(2) ? "/bin/true" : "");
	fclose(f);
	mkdir("state", 0700);
}

static void write_boot_id(void)
{
	FILE *f = fopen("boot_id", "we");

	fprintf(f, "%08x-0000-4000-8000-000000000000\n", run->boots);
	fclose(f);
}

/* --- a life --------------------------------------------------------------------------------------------- */

static void listen_for_daemon(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	char number[16];
	size_t n;
	int fd;

	snprintf(client_socket, sizeof client_socket, "cloudd-sim-%d", getpid());
	n = strlen(client_socket);
	memcpy(a.sun_path + 1, client_socket, n);
	fd = socket(AF_UNIX, SOCK_STREAM, 0);
	if (fd < 0 ||
		bind(fd, (struct sockaddr *)&a,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + n)) ||
		listen(fd, 64))
		abort();
	if (fd != 3) {
		dup2(fd, 3);
		close(fd);
	}
	snprintf(number, sizeof number, "%d", getpid());
	setenv("LISTEN_PID", number, 1);
	setenv("LISTEN_FDS", "1", 1);
}

static void stopper(void *arg)
{
	(void)arg;
	sched_sleep_ms(1000 + dice(200000));
	event("--- told to stop in the middle");
	run->requests_left = 0;
	sched_stop_daemon();
}

static void live(void)
{
	static char *argv[] = { "cloudd", "--config", "cloudd.conf", NULL };
	char log[32];
	int code;

	snprintf(log, sizeof log, "log%u", run->life);
	fflush(NULL);
	if (!freopen(log, "we", stdout))
		abort();
	if (!run->verbose) {
		dup2(1, 2);
	}
	setvbuf(stderr, NULL, _IOLBF, 0);
	for (int fd = 3; fd < 32; fd++)
		close(fd);
	alarm(LIFE_MAX_S);
	listen_for_daemon();
	sched_begin();
	if (run->setup)
		setup_start();
	else
		driver_start();
	if (run->death == DEATH_STOP)
		sched_spawn("stopper", stopper, NULL);
	code = cloudd_main(3, argv);
	if (code)
		problem("the daemon ended with status %d", code);
	sched_leave(run->problems_n ? LIFE_PROBLEM : LIFE_STOPPED);
}

static void judge_end(int status)
{
	if (WIFSIGNALED(status))
		problem("the daemon died of signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) != LIFE_STOPPED && WEXITSTATUS(status) != LIFE_KILLED &&
		 WEXITSTATUS(status) != LIFE_POWER && !run->problems_n)
		problem("the daemon ended with status %d", WEXITSTATUS(status));
}

/* Returns how it ended. */
static int live_once(void)
{
	int status;
	pid_t pid;

	run->totals.lives++;
	event("--- life %u of %u%s", run->life + 1, run->lives, run->judged ? ", the last" : "");
	fflush(NULL);
	if ((pid = fork()) == 0)
		live();
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	judge_end(status);
	if (WIFEXITED(status) && WEXITSTATUS(status) == LIFE_POWER) {
		run->boots++;
		run->boot_ns = run->mono_ns;
		write_boot_id();
	}
	return status;
}

/* --- a seed --------------------------------------------------------------------------------------------- */

/* The audit as one who does not believe the daemon reads it: its chain, its heads, and those that a witness
 * kept. */
static void verify_audit(void)
{
	struct audit_trust trust = { 0 };
	struct audit_result found = { 0 };
	unsigned char key[1][SIGN_PUBLIC];
	struct error err = { 0 };

	trust.keys = key;
	trust.keys_n = 1;
	if (sign_public_load("state/audit.key.pub", key[0], &err) < 0 ||
		(access("witness", R_OK) == 0 && audit_heads_read(&trust.heads, "witness", &err) < 0) ||
		audit_source_database("state/cloudd.db", &trust, &found, &err) < 0)
		problem("the audit cannot be read: %s (%s)", err.msg, err.detail);
	else if (found.walk.bad)
		problem("audit record %lld: %s", (long long)found.walk.bad_seq, found.walk.what);
	run->totals.checked += (uint64_t)(found.walk.records + found.walk.heads);
	audit_heads_finish(&trust.heads);
	audit_result_finish(&found);
}

static void draw_profile(void)
{
	static const unsigned means[] = { 2, 10, 30, 100, 100, 500, 500, 500 };
	struct profile *p = &run->profile;

	*p = (struct profile) { .switch_mean = means[dice(8)], .spurious = chance(300) };
	p->strict = chance(400);
	p->confirms = chance(250);
	p->unclean = chance(150);
	p->lives = 1 + dice(5);
	p->requests = 8 + dice(30);
	if (chance(700)) {
		unsigned rate = 1 + dice(40);

		for (int i = p->strict ? 2 : 0; i < 6; i++)
			p->call_fault[i] = dice(2) ? rate / (i == 4 ? 4 : 1) : 0;
	}
	p->request_drop = chance(500) ? dice(100) : 0;
	p->request_slow = chance(500) ? dice(100) : 0;
	p->request_twice = chance(500) ? dice(300) : 0;
	p->chaos = chance(700) ? dice(600) : 0;
	p->clock = chance(300) ? 200 : 0;
	p->scarce = chance(250) ? 60 : 0;
}

static void draw_death(void)
{
	static const uint32_t most[DEATH_ATS] = { 20000, 300, 600, 300, 120 };

	run->death = chance(100) ? DEATH_STOP : chance(400) ? DEATH_POWER : DEATH_KILL;
	if (cover || chance(600)) {
		run->death = run->death == DEATH_STOP ? DEATH_KILL : run->death;
		aim_set(cover ? (run->seed + run->life * 7919) % aims_n() : dice((uint32_t)aims_n()));
		if (aim_is("server_evacuate")) { /* nothing of it without dead hosts */
			run->profile.strict = false;
			run->profile.chaos += 50;
		}
		return;
	}
	run->death_at = chance(500) ? AT_STEP : (enum death_at)dice(DEATH_ATS);
	run->death_left = 1 + dice(chance(200) ? most[run->death_at] / 20 : most[run->death_at]);
}

static void wake_world(const struct run *template, uint64_t seed, bool verbose)
{
	struct totals totals = run->totals;

	*run = *template;
	run->totals = totals;
	run->verbose = verbose;
	run->seed = run->rng = run->sched_rng = run->world_rng = seed;
	rnd(&run->rng);
	run->sched_rng ^= 0x5555;
	run->world_rng ^= 0xaaaa;
	run->setup = false;
	run->events_n = run->trace = 0;
	run->problems_n = 0;
	draw_profile();
	run->lives = run->profile.lives;
}

static uint64_t live_seed(const struct run *template, uint64_t seed, const char *dir, bool verbose)
{
	char from[300];

	wake_world(template, seed, verbose);
	snprintf(from, sizeof from, "%s/template", top);
	walk(dir, NULL);
	walk(from, dir);
	if (chdir(dir))
		abort();
	write_config(true);
	for (run->life = 0; run->life < run->lives && !run->problems_n; run->life++) {
		run->last = false;
		run->requests_left = run->profile.requests;
		run->death = DEATH_NONE;
		if (run->life + 1 < run->lives)
			draw_death();
		else
			run->judged = true;
		live_once();
	}
	if (!run->problems_n)
		verify_audit();
	run->totals.seeds++;
	run->totals.virtual_s += (uint64_t)((run->mono_ns - template->mono_ns) / 1000000000);
	run->totals.violations += run->problems_n > 0;
	return run->trace;
}

/* --- many ----------------------------------------------------------------------------------------------- */

struct options {
	uint64_t seeds, from;
	unsigned jobs;
	time_t until; /* no new seed after that; 0: none is left out */
	bool twice, verbose, keep;
};

static void say_problems(void)
{
	uint64_t first = run->events_n > 60 ? run->events_n - 60 : 0;

	printf("seed %llu: a violation after %u of %u lives\n", (unsigned long long)run->seed, run->life,
		run->lives);
	for (unsigned i = 0; i < run->problems_n; i++)
		printf("  ! %s\n", run->problems[i]);
	printf("  its last events:\n");
	for (uint64_t i = first; i < run->events_n; i++)
		printf("  %s\n", run->events[i % EVENTS_KEPT]);
	fflush(stdout);
}

/* The baton goes from thread to thread: on one processor that costs a third. */
static void stay_on(unsigned job)
{
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(job % (unsigned)(n > 0 ? n : 1), &set);
	sched_setaffinity(0, sizeof set, &set);
}

static void work(const struct run *template, const struct options *o, unsigned job)
{
	char dir[300];

	snprintf(dir, sizeof dir, "%s/job%u", top, job);
	aim_begin(&run->totals);
	stay_on(job);
	for (uint64_t i = job; i < o->seeds && (!o->until || time(NULL) < o->until); i += o->jobs) {
		uint64_t trace = live_seed(template, o->from + i, dir, o->verbose);

		if (run->problems_n)
			say_problems();
		if (o->seeds == 1)
			printf("seed %llu trace %016llx\n", (unsigned long long)o->from,
				(unsigned long long)trace);
		if (o->twice) {
			uint64_t again = live_seed(template, o->from + i, dir, o->verbose);

			if (again != trace) {
				printf("seed %llu: two runs differ: %016llx, %016llx\n",
					(unsigned long long)(o->from + i), (unsigned long long)trace,
					(unsigned long long)again);
				run->totals.violations++;
			}
		}
		if (chdir(top))
			abort();
	}
}

static void add_up(struct totals *sum, const struct totals *t)
{
	sum->seeds += t->seeds;
	sum->lives += t->lives;
	sum->requests += t->requests;
	sum->calls += t->calls;
	sum->points += t->points;
	sum->virtual_s += t->virtual_s;
	sum->checked += t->checked;
	sum->violations += t->violations;
	for (int i = 0; i < FAULTS; i++)
		sum->faults[i] += t->faults[i];
	for (int i = 0; i < OUTCOMES; i++)
		sum->outcomes[i] += t->outcomes[i];
	for (size_t i = 0; i < sum->steps_n; i++) {
		for (int at = 0; at < AIM_ATS; at++)
			sum->steps[i].died[at] += t->steps[i].died[at];
		sum->steps[i].done += t->steps[i].done;
	}
}

static void line(const char *name, const char *more, uint64_t value, const char *unit)
{
	printf("%s%s %llu %s\n", name, more, (unsigned long long)value, unit);
}

static void report(const struct totals *t, double seconds)
{
	cover_report(t);
	line("seeds", "", t->seeds, "seeds");
	line("seeds_per_second", "", (uint64_t)((double)t->seeds / seconds), "seeds/s");
	line("lives", "", t->lives, "lives");
	line("virtual_time", "", t->virtual_s, "s");
	line("switching_points", "", t->points, "points");
	line("host_calls", "", t->calls, "calls");
	line("requests", "", t->requests, "requests");
	for (int i = 0; i < OUTCOMES; i++)
		line("requests_", outcome_names[i], t->outcomes[i], "requests");
	for (int i = 0; i < FAULTS; i++)
		line("fault_", fault_names[i], t->faults[i], "faults");
	line("invariants_checked", "", t->checked, "checks");
	line("violations", "", t->violations, "seeds");
}

static struct run *shared(void)
{
	void *p = mmap(NULL, sizeof *run, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		abort();
	return p;
}

/* What each life would otherwise find out anew: OpenSSL's list of what can read a key. */
static void warm_up(void)
{
	struct sign_key *key;
	struct error err;

	if (sign_key_load("state/audit.key", &key, &err) == 0)
		sign_key_free(key);
}

static void make_template(struct run *template, bool verbose)
{
	char dir[300];

	snprintf(dir, sizeof dir, "%s/template", top);
	if (mkdir(dir, 0700) || chdir(dir))
		abort();
	write_config(false);
	run->setup = true;
	run->verbose = verbose;
	run->lives = 1;
	run->wall_base_ns = 1767225600LL * 1000000000; /* 2026-01-01 */
	run->mono_ns = 1000LL * 1000000000;
	run->profile.switch_mean = 1000;
	write_boot_id();
	live_once();
	if (run->problems_n) {
		run->seed = 0;
		say_problems();
		exit(2);
	}
	*template = *run;
	memset(&run->totals, 0, sizeof run->totals);
	warm_up();
}

static int all(const struct options *o)
{
	struct run **each = calloc(o->jobs, sizeof *each), *template = shared();
	struct totals *sum = calloc(1, sizeof *sum);
	struct timespec a, b;

	run = shared();
	own_randomness();
	aim_begin(sum);
	make_template(template, o->verbose);
	clock_gettime(CLOCK_MONOTONIC, &a);
	for (unsigned i = 0; i < o->jobs; i++) {
		run = each[i] = shared();
		fflush(NULL);
		if (fork() == 0) {
			work(template, o, i);
			fflush(NULL);
			sched_leave(0);
		}
	}
	while (wait(NULL) > 0)
		;
	clock_gettime(CLOCK_MONOTONIC, &b);
	for (unsigned i = 0; i < o->jobs; i++)
		add_up(sum, &each[i]->totals);
	report(sum, (double)(b.tv_sec - a.tv_sec) + (double)(b.tv_nsec - a.tv_nsec) / 1e9);
	return sum->violations || (sum->seeds < o->seeds && !o->until) ? 1 : 0;
}

/* Addresses are the same in each run. */
static void fix_addresses(char **argv)
{
	int now = personality(0xffffffff);

	if (now & ADDR_NO_RANDOMIZE || getenv("SIM_FIXED"))
		return;
	setenv("SIM_FIXED", "1", 1);
	personality((unsigned long)now | ADDR_NO_RANDOMIZE);
	execv("/proc/self/exe", argv);
}

int main(int argc, char **argv)
{
	static const struct option options[] = { { "seeds", required_argument, NULL, 'n' },
		{ "from", required_argument, NULL, 'f' }, { "jobs", required_argument, NULL, 'j' },
		{ "seconds", required_argument, NULL, 's' }, { "twice", no_argument, NULL, 't' },
		{ "verbose", no_argument, NULL, 'v' }, { "keep", no_argument, NULL, 'k' },
		{ "cover", no_argument, NULL, 'c' }, { 0 } };
	struct options o = { .seeds = 100, .from = 1, .jobs = 2 };
	const char *base = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
	int opt, rc;

	fix_addresses(argv);
	while ((opt = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (opt) {
		case 'n':
			o.seeds = strtoull(optarg, NULL, 10);
			break;
		case 'f':
			o.from = strtoull(optarg, NULL, 10);
			break;
		case 'j':
			o.jobs = (unsigned)strtoul(optarg, NULL, 10);
			break;
		case 's':
			o.until = time(NULL) + strtol(optarg, NULL, 10);
			break;
		case 't':
			o.twice = true;
			break;
		case 'v':
			o.verbose = true;
			break;
		case 'c':
			cover = true;
			break;
		case 'k':
			o.keep = true;
			break;
		default:
			return 2;
		}
	}
	if (o.jobs < 1 || o.jobs > 64)
		return 2;
	snprintf(top, sizeof top, "%s/cloudd-sim-XXXXXX", base);
	if (!mkdtemp(top) || chdir(top))
		return 2;
	optind = 0;
	rc = all(&o);
	if (o.keep)
		printf("kept in %s\n", top);
	else if (chdir("/") == 0)
		walk(top, NULL);
	return rc;
}
