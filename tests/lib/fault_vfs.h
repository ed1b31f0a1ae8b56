/* SPDX-License-Identifier: Apache-2.0 */
/* A layer over SQLite's file access that counts syncs and can fail them: SQLite's unix files with xSync and
 * xWrite replaced. For one test program, not thread safe but for the counters. */
#ifndef TESTS_FAULT_VFS_H
#define TESTS_FAULT_VFS_H

#include <sqlite3.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

static struct {
	sqlite3_vfs vfs, *real;
	sqlite3_io_methods methods;
	const sqlite3_io_methods *real_methods;
	_Atomic int syncs;      /* so far */
	_Atomic int fail_sync;  /* the next so many fail */
	_Atomic int fail_write; /* result of the write after `writes_left` good ones; 0: none fails */
	_Atomic int writes_left;
} fault;

static int fault_sync(sqlite3_file *f, int flags)
{
	fault.syncs++;
	if (fault.fail_sync) {
		fault.fail_sync--;
		return SQLITE_IOERR_FSYNC;
	}
	return fault.real_methods->xSync(f, flags);
}

static int fault_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
	if (fault.fail_write && fault.writes_left-- <= 0) {
		int rc = fault.fail_write;

		fault.fail_write = 0;
		return rc;
	}
	return fault.real_methods->xWrite(f, p, n, at);
}

static int fault_open(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *out_flags)
{
	int rc = fault.real->xOpen(fault.real, name, f, flags, out_flags);

	(void)vfs;
	/* the log's files have methods of their own, which do not lock */
	if (rc != SQLITE_OK || !f->pMethods || !(flags & SQLITE_OPEN_WAL))
		return rc;
	if (!fault.real_methods) {
		fault.real_methods = f->pMethods;
		fault.methods = *f->pMethods;
		fault.methods.xSync = fault_sync;
		fault.methods.xWrite = fault_write;
	}
	if (f->pMethods == fault.real_methods)
		f->pMethods = &fault.methods;
	return rc;
}

static void fault_install(void)
{
	sqlite3_initialize();
	fault.real = sqlite3_vfs_find(NULL);
	fault.vfs = *fault.real;
	fault.vfs.zName = "fault";
	fault.vfs.pNext = NULL;
	fault.vfs.xOpen = fault_open;
	sqlite3_vfs_register(&fault.vfs, 1);
}

#endif
