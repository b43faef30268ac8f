#include <R.h>
#include <Rinternals.h>
#include <R_ext/Rdynload.h>

SEXP sandbox_total(SEXP numbers)
{
    double total = 0;
    for (R_xlen_t i = 0; i < XLENGTH(numbers); i++)
        total += REAL(numbers)[i];
    return ScalarReal(total);
}

static const R_CallMethodDef calls[] = {
    {"sandbox_total", (DL_FUNC) &sandbox_total, 1},
    {NULL, NULL, 0}
};

void R_init_sandboxSums(DllInfo *library)
{
    R_registerRoutines(library, NULL, calls, NULL, NULL);
    R_useDynamicSymbols(library, FALSE);
}
