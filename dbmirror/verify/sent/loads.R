# Loads one R package: R --args NONCE NAME, with this on stdin. Runs inside the image under test. Prints a line
# "NONCE version VERSION", and "NONCE error MESSAGE" where the package does not load.
# What has no namespace (R's own `translations`) holds data and cannot be loaded.
# The site's start-up files are read, as in a notebook, for they say where libraries are; nobody's own are.
arguments <- commandArgs(trailingOnly = TRUE)
version <- suppressWarnings(utils::packageDescription(arguments[2], fields = "Version"))
cat("\n", arguments[1], " version ", version, "\n", sep = "")
folder <- system.file(package = arguments[2])
data <- nzchar(folder) && !file.exists(file.path(folder, "NAMESPACE"))
message <- if (!data) tryCatch({ loadNamespace(arguments[2]); NULL }, error = conditionMessage)
if (!is.null(message)) cat("\n", arguments[1], " error ", gsub("[[:space:]]+", " ", message), "\n", sep = "")
