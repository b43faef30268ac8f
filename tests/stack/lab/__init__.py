"""The lab on a real engine; a package, so that pytest ends what its tests share when the last of them is done."""
