whisper <- function() tolower(greet("nobody"))
