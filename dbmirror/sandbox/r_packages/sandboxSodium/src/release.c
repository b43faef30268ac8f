#include <R.h>
#include <Rinternals.h>
#include <sodium.h>

SEXP sodium_release(void)
{
    return mkString(sodium_version_string());
}
