/* SPDX-License-Identifier: Apache-2.0 */
/* Traits out of CPU features, and the names of operators' own. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "base/util.h"
#include "domain/cpu_traits.h"

static void test_features(void **state)
{
	static const char *const pairs[][2] = {
		{ "3dnow", "HW_CPU_X86_3DNOW" },
		{ "aes", "HW_CPU_X86_AESNI" },
		{ "avx512f", "HW_CPU_X86_AVX512F" },
		{ "avx512vbmi2", "HW_CPU_X86_AVX512VBMI2" },
		{ "bmi1", "HW_CPU_X86_BMI" },
		{ "pni", "HW_CPU_X86_SSE3" },
		{ "sse4.1", "HW_CPU_X86_SSE41" },
		{ "sse4.2", "HW_CPU_X86_SSE42" },
		{ "sse4a", "HW_CPU_X86_SSE4A" },
		{ "svm", "HW_CPU_X86_SVM" },
		{ "vpclmulqdq", "HW_CPU_X86_AVX512VPCLMULQDQ" },
		{ "xop", "HW_CPU_X86_XOP" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		assert_non_null(cpu_trait(pairs[i][0]));
		assert_string_equal(cpu_trait(pairs[i][0]), pairs[i][1]);
	}
	assert_null(cpu_trait("lahf_lm"));
	assert_null(cpu_trait(""));
	assert_null(cpu_trait("AVX"));
}

static void test_custom(void **state)
{
	static const char *const bad[] = { "", "CUSTOM_", "CUSTOM", "custom_x", "CUSTOM_x", "CUSTOM_A B",
		"XCUSTOM_A", "HW_CPU_X86_AVX", "CUSTOM_A-B",
		"CUSTOM_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA" };
	struct error err;

	(void)state;
	assert_int_equal(trait_check_custom("CUSTOM_NVME", &err), 0);
	assert_int_equal(trait_check_custom("CUSTOM_9_", &err), 0);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		err.code = ERR_NONE;
		assert_int_equal(trait_check_custom(bad[i], &err), -1);
		assert_int_equal(err.code, ERR_BAD_REQUEST);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_features),
		cmocka_unit_test(test_custom),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
