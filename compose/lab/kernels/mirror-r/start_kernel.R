# Starts a notebook's kernel in the mirrored R: R --no-echo --no-restore --file=start_kernel.R --args CONNECTION_FILE
#
# What the kernel needs and the mirror does not have lies in a library of the lab's own. It is searched last, so that it
# hides nothing of the mirror, and only until all of it is loaded: a notebook then finds the mirror's packages and no more.

local({
  # The lab's own programs come first for JupyterLab; a notebook's `system("python")` is the mirror's.
  path <- strsplit(Sys.getenv("PATH"), ":", fixed = TRUE)[[1]]
  Sys.setenv(PATH = paste(path[path != "/opt/lab/bin"], collapse = ":"))

  library <- "/opt/lab/lib/R"
  mirror <- .libPaths()
  .libPaths(c(mirror, library))
  problem <- tryCatch(
    {
      for (package in c("IRkernel", list.files(library))) loadNamespace(package)
      NULL
    },
    error = conditionMessage
  )
  .libPaths(mirror)
  if (!is.null(problem)) {
    message("The R kernel cannot start: ", gsub("\\s+", " ", problem))
    quit(save = "no", status = 1)
  }
})

IRkernel::main()
