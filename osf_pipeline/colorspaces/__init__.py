"""What numbers in files and stores mean as colour: spaces, OpenColorIO, the way in and the way out."""
