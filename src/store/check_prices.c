/* SPDX-License-Identifier: Apache-2.0 */
/* Invoices: what the rows of closed months say together, and the seals of the last one. `cloudctl invoice
 * verify` looks at those of any other. */
#include "base/util.h"
#include "store/check_rules.h"
#include "store/invoices.h"

const struct check_rule check_price_rules[] = {
	{ "month-meet",
		"SELECT m.month, 'does not begin where the month before it ended' FROM closed_month m "
		"JOIN closed_month b ON b.month = iif(m.month % 100 = 1, m.month - 89, m.month - 1) "
		"WHERE m.from_us != b.to_us" },
	{ "month-order",
		"SELECT m.month, 'is closed, and the month before it is not' FROM closed_month m "
		"WHERE m.month != (SELECT min(month) FROM closed_month) AND NOT EXISTS (SELECT 1 FROM "
		"closed_month b WHERE b.month = iif(m.month % 100 = 1, m.month - 89, m.month - 1) "
		"AND b.closed_us IS NOT NULL)" },
	{ "invoice-book", "SELECT v.uid, 'is by another price book than its month' FROM invoice v JOIN "
			  "closed_month m ON m.month = v.month WHERE v.book_version != m.book_version" },
	{ "budget-project", "SELECT b.uid, 'is of a project that is deleted' FROM budget b JOIN project p ON "
			    "p.id = b.project_id WHERE p.deleted_us != 0" },
};
const size_t check_price_rules_n = ARRAY_LEN(check_price_rules);

struct seal_check {
	store_finding_fn *found;
	void *ctx;
};

static void on_fault(void *ctx, const char *uid, const char *fault)
{
	const struct seal_check *c = ctx;

	c->found(c->ctx, "invoice-seal", uid, fault);
}

int check_seals(struct db *db, store_finding_fn *found, void *ctx, struct error *err)
{
	struct seal_check c = { found, ctx };
	int64_t ignored;
	int month, rc = store_month_last(db, &month, err);

	return rc <= 0 ? rc : store_month_verify(db, month, on_fault, &c, &ignored, err);
}
