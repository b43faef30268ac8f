"""JupyterLab's server: one user, a token, this machine's browser only."""

from pathlib import Path

c = get_config()  # noqa: F821 - traitlets gives it to configuration files

# The container's only network face; compose.yaml publishes it on 127.0.0.1.
c.ServerApp.ip = "0.0.0.0"
c.ServerApp.port = 8888
c.ServerApp.port_retries = 0
c.ServerApp.open_browser = False
c.ServerApp.root_dir = "/home/lab/notebooks"
c.ServerApp.quit_button = False
# A web page whose name was made to lead to 127.0.0.1 is refused by the name that its requests carry.
c.ServerApp.allow_remote_access = False
c.ServerApp.local_hostnames = ["localhost", "127.0.0.1"]
# Read from a file in memory, so that it is in no process list and in no environment.
c.IdentityProvider.token = Path("/dev/shm/dbmirror-lab-token").read_text().strip()
# A mirror of R alone has no Python kernel.
KERNELS = Path("/opt/lab/share/jupyter/kernels")
c.MultiKernelManager.default_kernel_name = next(
    name for name in ("mirror-python", "mirror-r", "driver") if (KERNELS / name).is_dir()
)
c.KernelSpecManager.ensure_native_kernel = False
c.ContentsManager.allow_hidden = False
# The environment is the image's: what would be installed into it would be gone with the container.
c.LabApp.extension_manager = "readonly"
c.LabApp.check_for_updates_class = "jupyterlab.NeverCheckForUpdate"
c.LabApp.news_url = None
