"""Models guided by extreme points or a box."""
