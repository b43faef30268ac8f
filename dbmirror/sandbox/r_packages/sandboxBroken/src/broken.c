#include <R.h>
#include <a_header_that_no_system_has.h>

void broken(void)
{
}
